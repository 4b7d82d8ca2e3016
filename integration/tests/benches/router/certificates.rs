//! An authority, and one certificate for every name of the bench.

use std::path::Path;

use nemoclaw_tests::shell::sh;

/// Writes `ca.pem`, `server.pem` (chain), `server.key` and `both.pem` (haproxy wants chain and key in one file).
pub fn make(dir: &Path) {
    let script = format!(
        "set -e; cd {}; new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $new -days 30 -subj '/CN=bench authority' -addext 'basicConstraints=critical,CA:TRUE' \
          -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout ca.key -out ca.pem 2>/dev/null
        openssl req $new -subj '/CN=bench' -keyout server.key -out server.csr 2>/dev/null
        printf 'subjectAltName=DNS:*.ours.test,DNS:*.direct.test,DNS:*.haproxy.test,DNS:*.nginx.test,DNS:*.envoy.test\\n\
        extendedKeyUsage=serverAuth\\nbasicConstraints=CA:FALSE\\n' >ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out server.crt 2>/dev/null
        cat server.crt ca.pem >server.pem; cat server.pem server.key >both.pem",
        dir.display()
    );
    sh(&script).ok();
}
