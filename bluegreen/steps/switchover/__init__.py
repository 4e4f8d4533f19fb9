"""The movement of traffic from one side to the other, the same in both directions.

`switchover.py` holds its parameters, `arm.py` what is made ready before the pause,
`traffic.py` the action that moves, `pause.py` the budgeted sequence inside it,
`recover.py` what is done with a move that was left half-way, `reverse_stream.py` what
opens the other direction afterwards, `certify.py` the certificate that ends it and
`draw_up.py` what that says.
"""
