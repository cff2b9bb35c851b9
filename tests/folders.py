"""What a folder holds, to compare before and after."""


def contents(folder):
    """Every file's bytes, by its path in the folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob('*') if file.is_file()}
