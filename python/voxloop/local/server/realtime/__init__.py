"""``/v1/realtime``: a conversation over one WebSocket, in the shapes of the GA protocol.

``settings``, ``conversation``, ``turns``, ``core`` and ``builder`` hold the rules and do no I/O;
``recogniser``, ``responder`` and ``runner`` carry out what they decide.
"""
