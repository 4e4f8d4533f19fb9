"""The monitors: what may go wrong unseen, one file each.

A monitor reads one place (`observe`) and says what that means (`judge`, pure). To add
one: a file here with a class of `monitor.Monitor`, and an entry in `every.MONITORS`.
"""
