#!/usr/bin/env bash
# run.sh: the tests of cgroups on kernels of Debian in virtual machines, where version 2 has all controllers, and
# version 1 shares hierarchies as distributions had them. `make test-vm` calls it.
#
# Kernels are unpacked below target/vm and not installed; QEMU is installed where it is missing (no package is removed for
# it). Both machines run at once and are ended after a limit; this script ends with the tests' verdict.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../../..")
work=$root/target/vm
kernels=(linux-image-cloud-amd64 linux-image-6.12-cloud-amd64)
limit=${NEMOCLAW_VM_LIMIT:-120} # seconds a machine may take
say() { printf 'vm: %s\n' "$*" >&2; }
mkdir -p "$work"

# 1. QEMU, from the backports of the machine's own mirror: the release's own would replace the machine's tools
if ! command -v qemu-system-x86_64 >/dev/null; then
  [ "$(id -u)" -eq 0 ] || { say 'skipped: QEMU is missing, and only root can install it'; exit 0; }
  say 'installing qemu-system-x86'
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | sed -n 1p)
  mkdir -p "$work/lists/partial"
  for suite in bookworm bookworm-backports; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
  done >"$work/sources.list"
  apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
    -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends --no-remove -t bookworm-backports \
    qemu-system-x86 >/dev/null
fi

# 2. kernels: a package of this name needs the one with the kernel
kernel_of() {
  apt-cache depends "$1" | sed -n 's/^ *Depends: \(linux-image-[0-9].*-cloud-amd64\)$/\1/p' | sed -n 1p
}
images=()
for name in "${kernels[@]}"; do
  tree=$work/$name
  if ! compgen -G "$tree/boot/vmlinuz-*" >/dev/null; then
    [ -n "$(kernel_of "$name")" ] || apt-get -qq -o DPkg::Lock::Timeout=300 update
    package=$(kernel_of "$name")
    say "getting ${package:?no kernel $name in the sources of apt}"
    rm -rf "$tree" && mkdir -p "$tree"
    (cd "$tree" && apt-get -qq download "$package" 2>/dev/null && dpkg -x ./*.deb . && rm ./*.deb && rm -rf usr lib)
  fi
  images+=("$(compgen -G "$tree/boot/vmlinuz-*" | sed -n 1p)")
done

# 3. the tests and the runtime that they call
say 'building the tests'
cd "$root"
built=$(cargo test --quiet --package nemoclaw-runtime --test cgroups --test boxes --no-run --message-format json |
  sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')

# 4. a root file system of busybox, the tests and the script that runs them
tree=$work/root
rm -rf "$tree"
mkdir -p "$tree"/{bin,proc,sys,dev,tmp,root,new}
busybox=$(command -v busybox)
cp "$busybox" "$tree/bin/busybox"
for applet in $("$busybox" --list | grep -vx busybox); do ln -s busybox "$tree/bin/$applet"; done
for binary in $built; do
  name=$(basename "$binary")
  # The tests look for the runtime where it was built.
  case $name in nemoclaw-runtime) to=$tree$binary ;; *) to=$tree/bin/${name%-*} ;; esac
  mkdir -p "$(dirname "$to")"
  strip -o "$to" "$binary"
  for library in $(ldd "$binary" | grep -o '/[^ ]*'); do install -D "$library" "$tree$library"; done
done
cp "$here/init" "$tree/init"
(cd "$tree" && find . | "$busybox" cpio --quiet -o -H newc 2>/dev/null | gzip -1) >"$work/initramfs.gz"

# 5. the machines
boot() {
  timeout "$limit" qemu-system-x86_64 -accel tcg -cpu max -m 512 -smp 1 -display none -no-reboot -nodefaults \
    -serial "file:$2" -kernel "$1" -initrd "$work/initramfs.gz" -append 'console=ttyS0 quiet panic=-1' </dev/null
}
running=()
for image in "${images[@]}"; do
  log=$work/$(basename "$image").log
  rm -f "$log"
  boot "$image" "$log" &
  running+=($!)
done
status=0
for index in "${!images[@]}"; do
  log=$work/$(basename "${images[$index]}").log
  wait "${running[$index]}" || true
  if tr -d '\r' <"$log" | grep -qx 'vm: all passed'; then
    say "$(basename "${images[$index]}"): $(tr -d '\r' <"$log" | sed -n 's/^test result: ok. \([0-9]* passed\).*/\1/p' | paste -sd,)"
  else
    say "$(basename "${images[$index]}") failed, in $log:"
    tail -n 60 "$log" >&2
    status=1
  fi
done
exit $status
