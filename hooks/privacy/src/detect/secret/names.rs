//! Which names of keys, options and headers say that a secret follows.

use std::sync::LazyLock;

/// How sure a name is of it, which decides how random the value has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A password, which people choose.
    Password,
    /// A token, secret or key, which machines make.
    Token,
    /// A word with other meanings too (`key`, `auth`, `session`): only what is long and random.
    Weak,
    /// The header of HTTP, whose value begins with a scheme.
    Authorization,
}

/// The most letters and digits of a name's end that matter.
const LONGEST: usize = 32;

/// What a name says; `_`, `-`, `.`, blanks and the case of letters do not count.
pub(super) fn meaning(name: &[u8]) -> Option<Name> {
    let mut letters = [0_u8; LONGEST];
    let mut from = LONGEST;
    for byte in name.iter().rev() {
        let letter = match byte {
            b'_' | b'-' | b'.' | b' ' | b'$' => continue,
            byte => byte.to_ascii_lowercase(),
        };
        // A number behind the name: `password2`.
        if from == LONGEST && letter.is_ascii_digit() {
            continue;
        }
        if from == 0 {
            break;
        }
        from -= 1;
        letters[from] = letter;
    }
    let letters = &letters[from..];
    let of = |words: &[&str]| words.iter().any(|word| letters.ends_with(word.as_bytes()));
    if letters.ends_with(b"authorization") {
        return Some(Name::Authorization);
    }
    if of(OPEN) {
        return None;
    }
    if matches!(letters, b"pass" | b"pwd" | b"pw") || of(PASSWORDS) {
        return Some(Name::Password);
    }
    if of(TOKENS) {
        return Some(Name::Token);
    }
    of(WEAK).then_some(Name::Weak)
}

/// The last three letters of all the words, as a set of bits: most names are none of them, which is seen at once.
static ENDS: LazyLock<Box<[u64; 512]>> = LazyLock::new(|| {
    let mut ends = Box::new([0_u64; 512]);
    let words = [
        PASSWORDS,
        TOKENS,
        WEAK,
        &["authorization", "pass", "pwd", "xpw"],
    ];
    for word in words.into_iter().flatten() {
        let last = word.as_bytes().last_chunk().and_then(number);
        if let Some(number) = last {
            ends[number / 64] |= 1 << (number % 64);
        }
    }
    ends
});

/// Builds the set.
pub(super) fn prepare() {
    LazyLock::force(&ENDS);
}

/// Three letters as a number, without their case; none where one is no letter of ASCII.
fn number(letters: &[u8; 3]) -> Option<usize> {
    letters.iter().all(u8::is_ascii_alphabetic).then(|| {
        letters
            .iter()
            .fold(0, |sum, letter| sum << 5 | usize::from(letter & 31))
    })
}

/// Whether a name that ends before `end` could be a word for a secret, by its last letters: a cheap look before [`meaning`].
pub(super) fn could_end(bytes: &[u8], end: usize) -> bool {
    let mut end = end;
    while end > 0 && bytes[end - 1].is_ascii_digit() {
        end -= 1;
    }
    let Some(last) = bytes[..end].last_chunk() else {
        return false;
    };
    match number(last) {
        Some(number) => ENDS[number / 64] >> (number % 64) & 1 == 1,
        None => last[2] >= 0x80 || last[1] >= 0x80 || last[2] | 0x20 == b'w',
    }
}

/// Words for a password.
const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "passwort",
    "passphrase",
    "passcode",
    "userpass",
    "dbpass",
    "rootpass",
    "adminpass",
    "mysqlpass",
    "smtppass",
    "ftppass",
    "mailpass",
    "pgpass",
    "redispass",
    "pwd",
    "userpw",
    "kennwort",
    "motdepasse",
    "contraseña",
    "contrasena",
    "senha",
    "parola",
    "hasło",
    "haslo",
    "wachtwoord",
    "loginpass",
    "authpass",
    "sshpass",
    "vpnpass",
    "wifipass",
    "keypass",
    "storepass",
    "basicauthpass",
    "secretword",
    "passw",
    "passwrd",
    "passkey",
    "pincode",
    "dbpw",
    "sudopass",
    "encryptionpass",
    "archivepass",
    "zugangscode",
    "clavesecreta",
    "parolachiave",
    "पासवर्ड",
];

/// Words for what machines make.
const TOKENS: &[&str] = &[
    "secret",
    "secrets",
    "token",
    "tokens",
    "apikey",
    "apikeys",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
    "encryptionkey",
    "signingkey",
    "sharedkey",
    "masterkey",
    "accountkey",
    "storagekey",
    "sessionkey",
    "servicekey",
    "licensekey",
    "licencekey",
    "activationkey",
    "accesskeysecret",
    "deploykey",
    "appkey",
    "consumerkey",
    "subscriptionkey",
    "adminkey",
    "rootkey",
    "clientkey",
    "serverkey",
    "hmackey",
    "aeskey",
    "jwtkey",
    "cookiekey",
    "credential",
    "credentials",
    "secretvalue",
    "tokenvalue",
    "apitoken",
    "functionskey",
    "sharedaccesskey",
    "primarykeysecret",
    "encryptkey",
    "decryptkey",
    "cipherkey",
    "datakey",
    "integrationkey",
    "routingkey",
    "writekey",
    "ingestkey",
    "bottoken",
    "authtoken",
    "csrf",
    "apisecret",
    "keysecret",
    "geheimnis",
    "geheim",
    "accesscode",
    "xapikey",
    "apipassword",
    "bearer",
    "accesskeyid",
    "ikey",
    "skey",
    "akey",
    "licence",
    "secrettoken",
    "unlockkey",
    "projectkey",
    "sitekeysecret",
    "otpsecret",
    "totpseed",
    "jeton",
    "sekret",
    "segreto",
    "secreto",
    "segredo",
];

/// Words with other meanings too.
const WEAK: &[&str] = &[
    "key",
    "auth",
    "sessionid",
    "session",
    "sid",
    "cookie",
    "pin",
    "schlüssel",
    "clé",
    "clave",
    "chiave",
    "klucz",
    "chave",
    "sleutel",
    "jeton",
    "code",
];

/// Names that end like one of those and say nothing secret.
const OPEN: &[&str] = &[
    "publickey",
    "pubkey",
    "cachekey",
    "websocketkey",
    "idempotencykey",
    "primarykey",
    "foreignkey",
    "sortkey",
    "partitionkey",
    "sitekey",
    "hotkey",
    "objectkey",
    "groupkey",
    "rowkey",
    "mapkey",
    "countrycode",
    "errorcode",
    "statuscode",
    "postcode",
    "zipcode",
    "langcode",
    "exitcode",
    "nexttoken",
    "requesttoken",
    "actiontoken",
    "clienttoken",
    "markertoken",
    "pagetoken",
    "continuationtoken",
    "publictoken",
    "verificationkey",
];
