"""What people would use instead of the service: the original design and four model servers, each with the same model.

The servers run in an environment of their own (`python -m benchmarks.contenders.setup`); what they all need of the
model is in `model.py`, and each has one module that follows its own documentation. `servers.py` starts and asks them.
"""
