//! E-mail and addresses of networks.

use crate::{finds, passes};

#[test]
fn addresses_of_mail_are_found_without_what_stands_around_them() {
    finds(
        "email",
        &[
            "write to «ann.lee+x@example.com».",
            "<«ann@mail.example.co.uk»>",
            "mailto:«ann@example.org»?subject=hi",
            "'«ann@example.net»',",
            "user=«ann@example.com»&x=1",
            "«jürgen@müller.de» schrieb",
            "\\n«bob@example.com»\\n",
            "mail «o'brien@example.ie» today",
            "see «ann@example.com».Then go",
            "「«ann@example.jp»」",
            "«\"ann lee\"@example.com» is quoted",
            "reach «ann.lee (at) example (dot) org».",
            "«ann[at]example.org» bitte",
            "write to «ann at example dot org» please",
        ],
    );
    passes(
        "email",
        &[
            "npm i foo@1.2.3",
            "logo@2x.png",
            "git@github.com:org/repo.git",
            "@app.route('/')",
            "@media screen",
            "meet (at) noon. Then go",
            "look at the dot on the map",
            "root@localhost",
            "a @ b.com",
            "https://user@host.example/path",
            "matrix@transpose.T",
        ],
    );
}

#[test]
fn addresses_of_hosts_are_found_and_versions_are_not() {
    finds(
        "ip_address",
        &[
            "ssh root@«10.1.2.3»",
            "from «203.0.113.7:8080»"
                .replace(":8080»", "»:8080")
                .as_str(),
            "host «2001:db8::8a2e:370:7334» is up",
            "[«fe80::1ff:fe23:4567:890a»]",
            "«8.8.8.8» answers",
            "(«192.168.0.12»)",
            "6a3a addr «6a3a:141:6ea2:2d8c:a9c6:9e97:f16:4e1f»",
        ],
    );
    passes(
        "ip_address",
        &[
            "127.0.0.1 and 0.0.0.0 and ::1",
            "version 10.2.3.44",
            "Chrome/120.10.20.30",
            "1.3.6.1.4.1",
            "256.1.1.1",
            "RFC 4291 2.5.5.2",
            "std::fmt::Display and a::b",
            "12:34:56",
            "10.0.0.0/8",
            "v1.20.30.40",
            "255.255.255.0",
        ],
    );
}

#[test]
fn addresses_of_cards_are_six_pairs_and_no_more() {
    finds(
        "mac_address",
        &[
            "mac «00:1a:2b:3c:4d:5e».",
            "«00-1A-2B-3C-4D-5E» joined",
            "«001a.2b3c.4d5e» learnt",
            "«AA:BB:CC:DD:EE:01»",
        ],
    );
    passes(
        "mac_address",
        &[
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "aa:bb:cc:dd:ee:ff:00:11",
            "12:34:56",
            "0209.0020.0004",
            "aa:bb:cc:dd:ee",
        ],
    );
}

#[test]
fn users_with_a_password_in_a_url_are_found_and_examples_are_not() {
    finds(
        "url_credentials",
        &[
            "postgres://«app:Zk8!x2pQ»@db.internal:5432/x",
            "https:\\/\\/«ann:Zk8x2pQw»@host.example\\/a",
            "redis://«default:p%40ss9word»@10.0.0.5",
            "amqp://«u:a@b9c»@host.example/",
        ],
    );
    passes(
        "url_credentials",
        &[
            "postgres://user:password@localhost/db",
            "https://host.example:8443/a@b",
            "postgres://${USER}:${PASS}@host",
            "https://<user>:<pass>@host",
            "ssh://git@github.com/org/repo",
        ],
    );
}
