"""The watches: what may go wrong while nobody looks, one file each.

A watch reads one place (`observe`) and says what that means (`judge`, pure). To add
one: a file here with a class of `watch.Watch`, and an entry in `every.WATCHES`.
"""
