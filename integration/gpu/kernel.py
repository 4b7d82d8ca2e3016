"""A vector addition on the GPU, by the driver alone: the kernel is PTX text, the caller is ctypes on libcuda.

Exit 0: the sum is right. 3: the driver finds no device. 4: there is no driver library. 1: anything else.
"""

import array
import ctypes
import os
import sys
import threading

COUNT = 1 << 20
BLOCK = 256
# Newer drivers drop old targets and old ones lack new ones: the first that loads is taken.
TARGETS = [("7.0", "sm_75"), ("6.4", "sm_52"), ("6.0", "sm_30")]
PTX = """
.version {version}
.target {target}
.address_size 64
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)
{{
    .reg .pred %p<2>;
    .reg .b32 %r<6>;
    .reg .f32 %f<4>;
    .reg .b64 %rd<11>;
    ld.param.u64 %rd1, [a];
    ld.param.u64 %rd2, [b];
    ld.param.u64 %rd3, [c];
    ld.param.u32 %r2, [n];
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ntid.x;
    mov.u32 %r5, %tid.x;
    mad.lo.s32 %r1, %r3, %r4, %r5;
    setp.ge.u32 %p1, %r1, %r2;
    @%p1 bra DONE;
    cvta.to.global.u64 %rd4, %rd1;
    cvta.to.global.u64 %rd5, %rd2;
    cvta.to.global.u64 %rd6, %rd3;
    mul.wide.u32 %rd7, %r1, 4;
    add.s64 %rd8, %rd4, %rd7;
    add.s64 %rd9, %rd5, %rd7;
    add.s64 %rd10, %rd6, %rd7;
    ld.global.f32 %f1, [%rd8];
    ld.global.f32 %f2, [%rd9];
    add.f32 %f3, %f1, %f2;
    st.global.f32 [%rd10], %f3;
DONE:
    ret;
}}
"""


def stop(code, text):
    print(text, flush=True)
    sys.exit(code)


def load():
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        stop(4, f"no driver library: {error}")


CUDA = load()


def ask(name, *args):
    """Calls the driver; its word for a failure ends the program."""
    code = getattr(CUDA, name)(*args)
    if code:
        word = ctypes.c_char_p()
        known = CUDA.cuGetErrorName(code, ctypes.byref(word)) == 0 and word.value
        # No device, or a driver that cannot be spoken to: what a box without the nodes sees.
        absent = name == "cuInit" and code in (100, 101, 304, 999)
        stop(3 if absent else 1, f"{name}: {known.decode() if known else '?'} ({code})")


def module():
    handle = ctypes.c_void_p()
    for version, target in TARGETS:
        text = PTX.format(version=version, target=target).encode()
        if CUDA.cuModuleLoadData(ctypes.byref(handle), ctypes.c_char_p(text)) == 0:
            return handle, target
    stop(1, "the driver takes no PTX of " + ", ".join(target for _, target in TARGETS))


def device_copy(values):
    at = ctypes.c_uint64()
    size = ctypes.c_size_t(len(values) * 4)
    ask("cuMemAlloc_v2", ctypes.byref(at), size)
    buffer = (ctypes.c_float * len(values)).from_buffer(values)
    ask("cuMemcpyHtoD_v2", at, buffer, size)
    return at


def add():
    handle, target = module()
    function = ctypes.c_void_p()
    ask("cuModuleGetFunction", ctypes.byref(function), handle, ctypes.c_char_p(b"add"))
    one = array.array("f", (float(i % 1000) for i in range(COUNT)))
    other = array.array("f", (float(i % 77) for i in range(COUNT)))
    out = array.array("f", bytes(4 * COUNT))
    places = [device_copy(values) for values in (one, other, out)]
    values = [*places, ctypes.c_uint32(COUNT)]
    pointers = [ctypes.cast(ctypes.byref(value), ctypes.c_void_p) for value in values]
    arguments = (ctypes.c_void_p * len(pointers))(*pointers)
    grid = (COUNT + BLOCK - 1) // BLOCK
    ask("cuLaunchKernel", function, grid, 1, 1, BLOCK, 1, 1, 0, None, arguments, None)
    ask("cuCtxSynchronize")
    buffer = (ctypes.c_float * COUNT).from_buffer(out)
    ask("cuMemcpyDtoH_v2", buffer, places[2], ctypes.c_size_t(COUNT * 4))
    wrong = sum(1 for a, b, c in zip(one, other, out) if a + b != c)
    if wrong:
        stop(1, f"{wrong} of {COUNT} sums are wrong")
    return target


def name_a_thread():
    """What CUDA does to its own threads: write the name of another thread of this process."""
    ready, done = threading.Event(), threading.Event()
    told = []

    def body():
        told.append(threading.get_native_id())
        ready.set()
        done.wait()

    thread = threading.Thread(target=body)
    thread.start()
    ready.wait()
    try:
        with open(f"/proc/self/task/{told[0]}/comm", "r+") as comm:
            comm.write("gpu-worker")
            comm.flush()
        with open(f"/proc/self/task/{told[0]}/comm") as comm:
            return "yes" if comm.read() == "gpu-worker\n" else "no"
    except OSError as error:
        return f"no ({error.strerror})"
    finally:
        done.set()
        thread.join()


def library():
    with open("/proc/self/maps") as maps:
        found = {line.split()[-1] for line in maps if "libcuda.so" in line}
    return ", ".join(sorted(found))


def main():
    ask("cuInit", 0)
    count = ctypes.c_int()
    ask("cuDeviceGetCount", ctypes.byref(count))
    if count.value == 0:
        stop(3, "the driver counts no device")
    device = ctypes.c_int()
    ask("cuDeviceGet", ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(100)
    ask("cuDeviceGetName", name, 100, device)
    context = ctypes.c_void_p()
    ask("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    ask("cuCtxSetCurrent", context)
    pinned = ctypes.c_void_p()
    ask("cuMemAllocHost_v2", ctypes.byref(pinned), ctypes.c_size_t(1 << 20))
    target = add()
    anonymous = "yes" if hasattr(os, "memfd_create") and os.close(os.memfd_create("x")) is None else "no"
    print(f"device={name.value.decode()} count={count.value} target={target} sums={COUNT} right")
    print(f"library={library()}")
    print(f"memfd={anonymous} thread-name={name_a_thread()}")


main()
