# What the agent of try.sh does. Each line tries one thing and says what came of it; an unexpected end is an error.
failures=0
show() { printf '  %-8s %-40s %s\n' "$1" "$2" "$(printf '%s\n' "$3" | head -n 1 | sed -E "$plain" | cut -c 1-100)"; }
# Without the program's name, the line of the script, and curl's number.
plain='s/^[a-z]+: ([0-9]+: )?(\([0-9]+\) )?//'

# may WHAT COMMAND...: this must work.
may() {
  what=$1; shift
  if out=$("$@" 2>&1); then show allowed "$what" "$out"; else
    show FAILED "$what" "$out"; failures=$((failures + 1)); fi
}
# may_not WHAT COMMAND...: this must be stopped.
may_not() {
  what=$1; shift
  if out=$("$@" 2>&1); then show LEAKED "$what" "$out"; failures=$((failures + 1)); else
    show stopped "$what" "$out"; fi
}
write() { echo hello >"$1"; }
post() {
  answer=$(curl -sS -m 5 -w '\n%{http_code}' -d '{"drop": "everything"}' "$DEMO/hello.json") || { echo "$answer"; return 1; }
  case $answer in *403) echo "403 $answer"; return 1 ;; *) echo "$answer" ;; esac
}

echo 'Files:'
may 'write /sandbox/hello' write /sandbox/hello
may 'read a program of /usr' test -r /usr/bin/curl
may_not 'write /usr/bin/hello' write /usr/bin/hello
may_not 'write /etc/hosts' write /etc/hosts
may_not "read this machine's /etc/shadow" cat /etc/shadow
may_not "list this machine's /root" ls /root
echo 'Kernel:'
may_not 'mount a file system' mount -t tmpfs none /tmp
may_not 'make a user namespace' unshare --user true
echo 'Network:'
may 'GET a listed name, over TLS' curl -sS -m 5 "$DEMO/hello.json"
may_not 'POST there (the policy says read-only)' post
may_not 'a name that is not listed' curl -sS -m 5 https://example.org/
may_not 'an address, round the router' curl -sS -m 5 https://192.0.2.1/
exit "$failures"
