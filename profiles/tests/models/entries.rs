//! Provider entries of model servers.

use nemoclaw_policy::Class;
use nemoclaw_policy::Source;
use nemoclaw_policy::provider::{Auth, BaseUrl, Dialect, Provider, Providers, kinds};

fn parsed(entry: &str) -> Result<Provider, String> {
    let text = format!("version: 1\nproviders:\n  a: {{ {entry} }}\n");
    let read = Providers::parse(&Source::text("providers.yaml", &text));
    read.map(|read| read.entries[0].clone())
        .map_err(|fault| fault.to_string())
}

#[test]
fn every_type_of_model_server_needs_no_more_than_a_secret_or_its_own_address() {
    for kind in kinds() {
        let Some(serving) = &kind.serving else {
            continue;
        };
        let mut entry = format!("type: {}, file: /a", kind.name);
        if serving.base_url.is_none() {
            assert!(
                parsed(&entry).unwrap_err().contains("add `base_url:"),
                "{}",
                kind.name
            );
            entry.push_str(", base_url: https://own.test/v1");
        }
        let read = parsed(&entry).unwrap();
        let own = read.serving.as_ref().unwrap();
        assert_eq!(
            (own.dialect, &own.auth),
            (serving.dialect, &serving.auth),
            "{}",
            kind.name
        );
        assert!(
            read.reaches(
                &own.base.host,
                own.base.port,
                &format!("{}/x", own.base.path)
            ),
            "{}",
            kind.name
        );
        let clearance = if own.local {
            Class::Regulated
        } else {
            Class::Public
        };
        assert_eq!(
            (own.local, own.clearance),
            (own.base.is_loopback(), clearance)
        );
        assert_eq!(
            parsed(&format!("type: {}", kind.name)).is_ok(),
            own.local,
            "{}",
            kind.name
        );
    }
}

#[test]
fn all_keys_are_read() {
    let read = parsed(
        "type: generic, base_url: 'https://Models.test:8443/api/v1/', protocol: anthropic, clearance: personal, residency: eu, \
         local: true, auth: x-api-key, pass_headers: [X-Trace], concurrent: 4, \
         models: { big: { input: 0.15, output: 2 }, small: null }",
    )
    .unwrap();
    let own = read.serving.as_ref().unwrap();
    assert_eq!(
        (
            own.base.host.as_str(),
            own.base.port,
            own.base.path.as_str()
        ),
        ("models.test", 8443, "/api/v1")
    );
    assert_eq!(
        (own.dialect, own.clearance),
        (Dialect::Anthropic, Class::Personal)
    );
    assert_eq!((own.residency.as_deref(), own.local), (Some("eu"), true));
    assert_eq!(
        (&own.auth, own.pass_headers.as_slice()),
        (&Auth::Field("x-api-key"), ["x-trace".to_owned()].as_slice())
    );
    assert_eq!(own.price("big").input, 150_000);
    assert_eq!(own.price("small"), own.price("unknown"));
    assert!(own.has("small") && !own.has("unknown"));
    assert!(read.env.is_empty() && read.secret.is_none());
}

#[test]
fn an_address_is_read_one_way_only() {
    for (text, host, port, path) in [
        ("http://127.0.0.1:8000/v1", "127.0.0.1", 8000, "/v1"),
        ("http://localhost", "localhost", 80, ""),
        ("https://A.Test/", "a.test", 443, ""),
        ("http://[::1]:8000/v1/", "::1", 8000, "/v1"),
        ("https://[0:0::1]", "::1", 443, ""),
    ] {
        let base = BaseUrl::parse(text).unwrap();
        assert_eq!(
            (base.host.as_str(), base.port, base.path.as_str()),
            (host, port, path),
            "{text}"
        );
    }
    for text in [
        "",
        "a.test",
        "ftp://a.test",
        "HTTP://a.test",
        "http://",
        "http:///v1",
        "http://a.test:0",
        "http://a.test:65536",
        "http://a.test:",
        "http://::1",
        "http://::1:80",
        "http://[::1",
        "http://::1]",
        "http://[127.0.0.1]",
        "http://[::1]80",
        "http://[::1]:80:80",
        "http://user:pw@a.test",
        "http://a.test?x",
        "http://a.test/v1?x=1",
        "http://a.test/v1#x",
        "http://a.test/../v1",
        "http://a.test/./v1",
        "http://a.test//v1",
        "http://a.test/%2e%2e/v1",
        "http://*.a.test",
        "http://a.test\\v1",
        "http://a b.test",
        "http://2130706433",
        "http://127.1",
        "http://0x7f.1",
        "http://bücher.test",
        "http://a.test:80:90",
        "http://a.test:+80",
    ] {
        assert!(BaseUrl::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_credential_goes_nowhere_else_than_the_entry_says() {
    // Its type's own address would send it where the entry does not.
    let moved = parsed("type: openai, file: /a, hosts: [own.test]").unwrap();
    assert!(moved.serving.is_none());
    let own = parsed("type: openai, file: /a, base_url: https://own.test/v1").unwrap();
    assert!(
        own.reaches("own.test", 443, "/v1/models")
            && !own.reaches("api.openai.com", 443, "/v1/models")
    );
    for entry in [
        "type: openai, file: /a, hosts: [own.test], base_url: https://api.openai.com/v1",
        "type: openai, file: /a, hosts: [own.test], models: [gpt]",
        "type: openai, file: /a, ports: [8443], base_url: https://own.test/v1",
        "type: openai, file: /a, paths: [/v2/**], base_url: https://own.test/v1",
        "type: ollama, hosts: [gpu.test]",
    ] {
        let fault = parsed(entry).expect_err(entry);
        assert!(fault.contains("lies outside"), "{entry}: {fault}");
    }
    let address = parsed("type: vllm, base_url: 'http://[::1]:8000/v1'").unwrap();
    assert!(address.hosts.is_empty() && address.serving.unwrap().local);
}

#[test]
fn what_is_no_model_server_is_a_fault_with_its_place() {
    for (entry, told) in [
        (
            "type: github, file: /a, models: [x]",
            "`models` without `base_url`",
        ),
        (
            "type: openai, file: /a, base_url: http://own.test/v1",
            "without TLS",
        ),
        ("type: ollama, local: false", "names no secret"),
        (
            "type: openai, file: /a, protocol: grpc",
            "known values: openai, anthropic",
        ),
        ("type: openai, file: /a, models: [a, a]", "stands twice"),
        (
            "type: openai, file: /a, models: ['a b']",
            "no name of a model",
        ),
        (
            "type: openai, file: /a, models: { a: { input: -1 } }",
            "must be a price",
        ),
        (
            "type: openai, file: /a, models: { a: { in: 1 } }",
            "unknown key",
        ),
        ("type: openai, file: /a, clearance: top", "known values"),
        ("type: openai, file: /a, residency: EU", "no residency"),
        ("type: openai, file: /a, auth: basic", "known values"),
        (
            "type: openai, file: /a, pass_headers: [Authorization]",
            "never passes",
        ),
        (
            "type: openai, file: /a, pass_headers: [accept-encoding]",
            "never passes",
        ),
        ("type: openai, file: /a, concurrent: 0", "from 1 to"),
        (
            "type: openai, file: /a, base_url: 'https://k:s3cret@own.test'",
            "a password does not belong",
        ),
        (
            "type: openai, base_url: https://own.test/v1",
            "names no secret",
        ),
    ] {
        let fault = parsed(entry).expect_err(entry);
        assert!(
            fault.starts_with("providers.yaml:3:") && fault.contains(told),
            "{entry}: {fault}"
        );
        assert!(!fault.lines().next().unwrap().contains("s3cret"), "{fault}");
    }
}

#[test]
fn a_server_on_this_machine_may_lead_to_a_cloud() {
    let proxy =
        parsed("type: openai, file: /a, base_url: http://127.0.0.1:4000/v1, local: false").unwrap();
    let own = proxy.serving.unwrap();
    assert!(!own.local && own.clearance == Class::Public);
    let far = parsed("type: vllm, base_url: http://gpu.lan:8000/v1, local: true").unwrap();
    assert!(far.serving.unwrap().local);
}
