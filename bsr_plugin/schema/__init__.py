"""What a section of an option file is: known keys, kinds of values, and how a problem with one is worded."""
