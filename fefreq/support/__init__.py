"""Arrays, schemas, files, memory and transforms: tools without theory.

Used by every other room; imports none.
"""
