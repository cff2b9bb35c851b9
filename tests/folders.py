"""What a folder holds, to compare before and after."""


def contents(folder):
    """Every file's bytes, by its path in the folder; ascending."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob('*')) if file.is_file()}
