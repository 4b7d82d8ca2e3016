"""Writes a CDI file for the GPUs of this machine from what is there: device nodes, driver libraries, nvidia-smi.

    spec.py DIRECTORY INSIDE     writes DIRECTORY/nvidia.yaml; libraries appear below INSIDE in a box

For `integration/gpu/check`, where no `nvidia-ctk` is at hand. Each GPU is a device by its number, `all` are all.
"""

import glob
import json
import os
import stat
import subprocess
import sys

FOLDERS = [
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
]
# What a program that computes needs of the driver, and nothing that draws.
LIBRARIES = ["libcuda.so", "libcudadebugger.so", "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so", "libnvidia-nvvm",
             "libnvidia-gpucomp.so", "libnvidia-cfg.so", "libnvidia-opencl.so", "libnvidia-pkcs11", "libnvidia-sandboxutils.so"]
SHARED = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset", "/dev/dxg"]


def folders():
    """The usual folders, and those that the loader knows."""
    found = list(FOLDERS)
    try:
        text = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
        found += [os.path.dirname(line.split("=>")[1].strip()) for line in text.splitlines() if "libcuda.so" in line and "=>" in line]
    except OSError:
        pass
    found += [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder.startswith("/")]
    return list(dict.fromkeys(found))


def libraries():
    """Name in a box and file on this machine; the first folder that has the driver has all of it."""
    for folder in folders():
        if not glob.glob(f"{folder}/libcuda.so.1"):
            continue
        found = {}
        for path in sorted(glob.glob(f"{folder}/lib*.so*")):
            name = os.path.basename(path)
            if any(name.startswith(known) for known in LIBRARIES) and os.path.isfile(path):
                found[name] = os.path.realpath(path)
        return folder, found
    return None, {}


def is_node(path):
    return os.path.exists(path) and stat.S_ISCHR(os.stat(path).st_mode)


def node(path):
    return {"path": path, "permissions": "rw"}


def program(name):
    for folder in ["/usr/local/nvidia/bin", "/usr/bin", "/usr/lib/wsl/lib", "/opt/bin"]:
        if os.path.isfile(f"{folder}/{name}"):
            return os.path.realpath(f"{folder}/{name}")
    return None


def mount(source, target):
    return {"hostPath": source, "containerPath": target, "options": ["ro", "nosuid", "nodev", "rbind"]}


def main():
    directory, inside = sys.argv[1:3]
    gpus = [path for path in sorted(glob.glob("/dev/nvidia[0-9]*")) if is_node(path)]
    numbers = [path[len("/dev/nvidia"):] for path in gpus]
    if not gpus and is_node("/dev/dxg"):
        numbers = ["0"]
    shared = [node(path) for path in SHARED + sorted(glob.glob("/dev/nvidia-caps/*")) if is_node(path)]
    folder, found = libraries()
    mounts = [mount(path, f"{inside}/lib/{name}") for name, path in found.items()]
    smi = program("nvidia-smi")
    if smi:
        mounts.append(mount(smi, f"{inside}/bin/nvidia-smi"))
    devices = [
        {"name": number, "containerEdits": {"deviceNodes": [node(path)] if path else [{"path": "/dev/dxg"}]}}
        for number, path in zip(numbers, gpus or [None])
    ]
    every = [node(path) for path in gpus] or [node(path) for path in ["/dev/dxg"] if is_node(path)]
    if devices:
        devices.append({"name": "all", "containerEdits": {"deviceNodes": every}})
    spec = {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": devices,
        "containerEdits": {
            "env": [f"LD_LIBRARY_PATH={inside}/lib", "NVIDIA_VISIBLE_DEVICES=void"],
            "deviceNodes": shared,
            "mounts": mounts,
        },
    }
    # JSON is YAML too: vendors' tools write this name.
    path = os.path.join(directory, "nvidia.yaml")
    with open(path, "w") as out:
        json.dump(spec, out, indent=1)
    os.chmod(path, 0o644)
    print(f"{path}: {len(numbers)} GPU(s), {len(shared)} shared nodes, {len(found)} libraries of {folder}, nvidia-smi {smi}")
    sys.exit(0 if devices and found else 1)


main()
