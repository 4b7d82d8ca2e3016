//! Keys, tokens, passwords, wallets.

use crate::{finds, found, passes};

/// Letters and digits as a machine would roll them, the same in every run.
fn rolled(seed: u64, count: usize, signs: &str) -> String {
    let signs: Vec<char> = signs.chars().collect();
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            signs[(state >> 33) as usize % signs.len()]
        })
        .collect()
}

const ALL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#[test]
fn keys_of_vendors_are_found_wherever_they_stand() {
    let keys = [
        format!("AK{}{}", "IA", rolled(1, 16, CAPITALS)),
        format!("gh{}{}", "p_", rolled(2, 36, ALL)),
        format!(
            "github{}{}_{}",
            "_pat_",
            rolled(3, 22, ALL),
            rolled(4, 59, ALL)
        ),
        format!("sk{}{}", "-ant-api03-", rolled(5, 95, ALL)),
        format!("sk{}{}", "-proj-", rolled(6, 120, ALL)),
        format!("AI{}{}", "za", rolled(7, 35, ALL)),
        format!(
            "xo{}{}-{}",
            "xb-",
            rolled(8, 12, "0123456789"),
            rolled(9, 24, ALL)
        ),
        format!("sk{}{}", "_live_", rolled(10, 24, ALL)),
        format!("hf{}{}", "_", rolled(11, 34, ALL)),
        format!("nv{}{}", "api-", rolled(12, 64, ALL)),
        format!("gl{}{}", "pat-", rolled(13, 20, ALL)),
        format!("SG{}{}.{}", ".", rolled(14, 22, ALL), rolled(15, 43, ALL)),
        format!("{}:AA{}", rolled(16, 10, "123456789"), rolled(17, 33, ALL)),
        format!("hv{}{}", "s.", rolled(18, 92, ALL)),
        format!("dp{}{}", ".pt.", rolled(19, 43, ALL)),
        format!("{}8Q{}{}", rolled(20, 3, ALL), "~", rolled(21, 34, ALL)),
        format!("{}-us{}", rolled(22, 32, HEX), 12),
        format!("ya{}{}", "29.", rolled(23, 120, ALL)),
        format!(
            "AGE-{}{}",
            "SECRET-KEY-1",
            rolled(24, 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")
        ),
    ];
    for key in &keys {
        for text in [
            format!("use {key} please"),
            format!("export KEY={key}\n"),
            format!("{{\"k\": \"{key}\"}}"),
            format!("first\\n{key}\\nlast"),
            format!("https://x.example/?k={key}&b=1"),
        ] {
            assert_eq!(found("api_key", &text), [key.as_str()], "in `{text}`");
        }
    }
}

#[test]
fn what_only_begins_like_a_key_is_none() {
    let row = "x".repeat(36);
    passes(
        "api_key",
        &[
            &format!("ghp_{row}"),
            "sk-learn-compatible-estimators-and-pipelines",
            "AKIA is a prefix",
            "npm_config_user_agent_and_more_of_the_kind",
            &format!("sha512-{}", rolled(1, 86, ALL)),
            &rolled(2, 40, HEX),
            "3f786850-e387-550f-dab8-36ed7e6dc881",
        ],
    );
}

#[test]
fn tokens_of_the_web_have_a_header_that_reads() {
    let token = format!(
        "eyJ{}.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}",
        "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        rolled(3, 43, ALL)
    );
    for text in [
        format!("token: {token}"),
        format!("Authorization: Bearer {token}"),
        format!("jwt={token};"),
    ] {
        assert_eq!(found("jwt", &text), [token.as_str()]);
    }
    passes(
        "jwt",
        &[
            &token.replace("hbGci", "hbGcj"),
            "eyJhbGciOiJIUzI1NiJ9 alone",
            "a.b.c",
        ],
    );
}

#[test]
fn blocks_of_private_keys_are_found_whole_and_their_mark_alone_is_not() {
    let body = rolled(4, 64, ALL);
    for kind in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        for line in ["\n", "\\n", "\r\n"] {
            let block =
                format!("-----BEGIN {kind}-----{line}{body}{line}{body}{line}-----END {kind}-----");
            assert_eq!(
                found("private_key", &format!("key:\n{block}\nend")),
                [block.as_str()]
            );
        }
    }
    let cut = format!("-----BEGIN PRIVATE KEY-----\n{body}\n{body}");
    assert_eq!(found("private_key", &cut), [cut.as_str()]);
    passes(
        "private_key",
        &[
            "if line == \"-----BEGIN PRIVATE KEY-----\" {",
            &format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"),
            &format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----"),
        ],
    );
}

#[test]
fn values_behind_a_name_that_says_so_are_found() {
    finds(
        "secret_value",
        &[
            "password=«Xk9#mP2$vL»",
            "DB_PASSWORD=«tr0ub4dor&3x»\n",
            "\"api_key\": \"«9fK2mQx81LzPw40sRt6Y»\"",
            "client_secret: «9fK2mQx81LzPw40sRt6Y»",
            "Authorization: Bearer «9fK2mQx81LzPw40sRt6Y»",
            "?access_token=«9fK2mQx81LzPw40sRt6Y»&a=1",
            "run --password «Xk9mP2vL7q» --host x",
            "const apiKey = '«9fK2mQx81LzPw40sRt6Y»';",
            "the wifi password is «Xk9mP2vL7q».",
            "Das Passwort lautet «Xk9mP2vL7q»",
            "mot de passe : «Xk9mP2vL7q»",
            "<password>«Xk9mP2vL7q»</password>",
            "{\\\"token\\\": \\\"«9fK2mQx81LzPw40sRt6Y»\\\"}",
            "SECRET_KEY = \"«3f786850e387550fdab836ed7e6dc881»\"",
        ],
    );
}

#[test]
fn code_that_speaks_of_secrets_holds_none() {
    passes(
        "secret_value",
        &[
            "password: \"string\"",
            "token = getToken(user1, 2)",
            "SECRET_KEY = os.environ[\"SECRET_KEY_2\"]",
            "password = config.databaseV2.password1",
            "key: 'primary'",
            "cacheKey = \"3f786850e387550fdab836ed7e6dc881\"",
            "password=${DB_PASSWORD_1}",
            "password = \"changeme123!\"",
            "api_key: <your-api-key-1>",
            "signature::Ed25519KeyPair::from_pkcs8(bytes)",
            "\"AWS::IAM::AccessKey\": \"62d91b17309e76c8\"",
            "password = \"TestPassword123\"",
            "token_count = 4096000000",
            "The passed LLVMOrcC2Flags are kept",
            "secret_file: /etc/keys/a1B2c3D4e5.pem",
            "let token: Token2<'a> = next();",
        ],
    );
}

#[test]
fn wallets_have_check_sums_or_a_word() {
    finds(
        "crypto_wallet",
        &[
            "send to «1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2» please",
            "«bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq»",
            "at «0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed».",
            "my eth wallet «0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed»",
        ],
    );
    passes(
        "crypto_wallet",
        &[
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
            "const MASK: U160 = 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed;",
        ],
    );
}
