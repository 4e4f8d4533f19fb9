"""The actions of the step `decommission`: is it due, may it be, and the end of blue."""
