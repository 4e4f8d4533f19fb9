"""The movement of traffic from one side to the other, the same in both directions.

`movement.py` holds its parameters, `arm.py` what is made ready before the pause,
`traffic.py` the action that moves, `pause.py` the budgeted sequence inside it,
`settle.py` what is done with a move that was left half-way, `way_back.py` what opens
the other direction afterwards, `certify.py` the certificate that ends it and
`draw_up.py` what that says.
"""
