#!/usr/bin/env bash
# try.sh: one sandbox on the direct engine, with a router and an upstream server of its own, and what came of it.
#
# Uses a private configuration and directory, leaves nothing behind, and needs no network: the server that the agent may
# talk to is an `openssl s_server` on this machine's loopback, under a name that only this router knows.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
dist=$(realpath "$here/../../target/dist")

if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "try: building sandboxes needs root: run \`make try\` as root" >&2; exit 1; }
  echo "try: building sandboxes needs root; asking sudo" >&2
  exec sudo -- "$0" "$@"
fi
for tool in openssl curl; do
  command -v "$tool" >/dev/null || { echo "try: run \`apt-get install --no-install-recommends $tool\` first" >&2; exit 1; }
done

umask 022
work=$(mktemp -d /var/lib/nemoclaw-try.XXXXXX)
chmod 0711 "$work"
export NEMOCLAW_CONFIG=$work/config.yaml
nemoclaw=$dist/nemoclaw
# Its own name: cgroups are named after sandboxes, and a sandbox `try` of yours may be running.
name=try-$$
server=
cleanup() {
  "$nemoclaw" rm -f "$name" >/dev/null 2>&1 || true
  "$nemoclaw" router stop >/dev/null 2>&1 || true
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  # Never through a mount: the sandbox's mounts are private, so there should be none.
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT

# A certification authority and a server for `api.demo.example`.
mkdir "$work/site"
echo '{"hello": "agent"}' >"$work/site/hello.json"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj '/CN=NemoClaw try CA' \
  -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=api.demo.example' \
  -keyout "$work/site.key" -out "$work/site.csr" 2>/dev/null
openssl x509 -req -in "$work/site.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 1 \
  -extfile <(echo 'subjectAltName=DNS:api.demo.example') -out "$work/site.pem" 2>/dev/null
for attempt in 1 2 3 4 5; do
  port=$((20000 + (RANDOM % 20000)))
  (cd "$work/site" && exec openssl s_server -quiet -WWW -accept "127.0.0.1:$port" -cert "$work/site.pem" -key "$work/site.key") \
    >/dev/null 2>&1 </dev/null &
  server=$!
  sleep 0.2
  if kill -0 "$server" 2>/dev/null; then break; fi
  [ "$attempt" -lt 5 ] || { echo "try: no free port for the server" >&2; exit 1; }
done

cat >"$NEMOCLAW_CONFIG" <<CONFIG
version: 1
state_dir: $work/run
data_dir: $work/data
router:
  hosts: { api.demo.example: [127.0.0.1] }
  extra_ca: [ $work/ca.pem ]
CONFIG
cat >"$work/policy.yaml" <<POLICY
version: 1
filesystem_policy:
  read_only: [/usr, /bin, /sbin, /lib, /lib64, /etc, /proc, /sys, /dev/urandom]
  read_write: [/sandbox, /tmp, /dev/null]
network_policies:
  demo_api:
    endpoints:
      - { host: api.demo.example, port: $port, protocol: rest, access: read-only }
POLICY

echo "The policy:"; sed 's/^/  /' "$work/policy.yaml"; echo
echo "\$ nemoclaw run --name $name --policy policy.yaml -- sh agent.sh"
status=0
"$nemoclaw" run --name "$name" --policy "$work/policy.yaml" -e "DEMO=https://api.demo.example:$port" \
  -- sh -c "$(cat "$here/try-agent.sh")" </dev/null || status=$?
echo; echo "\$ nemoclaw logs $name --denied"
"$nemoclaw" logs "$name" --denied
exit "$status"
