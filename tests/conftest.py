"""Opt out of what openvino and nncf send home, before anything imports them, here and in subprocesses."""

import os

# NNCF_CI turns off nncf's own sender; CI is what the opt-in check of openvino's telemetry honours.
os.environ["NNCF_CI"] = "1"
os.environ["CI"] = "true"
# Most tests look into the process that measures; those of isolation turn it on.
os.environ["OVQUANT_ISOLATE"] = "0"
