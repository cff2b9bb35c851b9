"""Patch information capacity (PIC): what it is, where it lies in a data set, and how batches are balanced by it."""
