//! A provider's entry as lines of YAML, without its credential's place. JSON's values are YAML's.

use crate::args::Set;
use crate::fault::Fault;

/// The lines, the first being `NAME:`.
pub fn lines(wish: &Set, kind: &str) -> anyhow::Result<Vec<String>> {
    let mut lines = vec![
        format!("{}:", wish.name),
        format!("  type: {}", serde_json::to_string(kind)?),
    ];
    for (key, values) in [
        ("hosts", &wish.hosts),
        ("paths", &wish.paths),
        ("env", &wish.env),
        ("sandboxes", &wish.sandboxes),
        ("policies", &wish.policies),
    ] {
        if !values.is_empty() {
            lines.push(format!("  {key}: {}", serde_json::to_string(values)?));
        }
    }
    if !wish.ports.is_empty() {
        lines.push(format!("  ports: {}", serde_json::to_string(&wish.ports)?));
    }
    for (key, value) in [
        ("base_url", &wish.base_url),
        ("protocol", &wish.protocol),
        ("clearance", &wish.clearance),
        ("residency", &wish.residency),
    ] {
        if let Some(value) = value {
            lines.push(format!("  {key}: {}", serde_json::to_string(value)?));
        }
    }
    if wish.local {
        lines.push("  local: true".to_owned());
    }
    if let Some(models) = models(wish)? {
        lines.push(format!("  models: {models}"));
    }
    Ok(lines)
}

/// A list of names, or a mapping where some have a price.
fn models(wish: &Set) -> anyhow::Result<Option<String>> {
    if wish.prices.is_empty() {
        return Ok(if wish.models.is_empty() {
            None
        } else {
            Some(serde_json::to_string(&wish.models)?)
        });
    }
    let mut models: serde_json::Map<String, serde_json::Value> = wish
        .models
        .iter()
        .map(|name| (name.clone(), serde_json::Value::Null))
        .collect();
    for given in &wish.prices {
        let (name, price) = price(given)?;
        models.insert(name.to_owned(), price);
    }
    Ok(Some(serde_json::to_string(&models)?))
}

/// `MODEL=INPUT/OUTPUT`.
fn price(given: &str) -> Result<(&str, serde_json::Value), Fault> {
    let wrong = || {
        Fault::new(format!(
            "`{given}` is no price: write MODEL=INPUT/OUTPUT by the million tokens, such as small=0.15/0.6"
        ))
    };
    let (name, price) = given.rsplit_once('=').ok_or_else(wrong)?;
    let (input, output) = price.split_once('/').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<f64>().map_err(|_| wrong());
    let price = serde_json::json!({ "input": number(input)?, "output": number(output)? });
    Ok((name, price))
}

#[cfg(test)]
mod tests {
    use super::price;

    #[test]
    fn a_price_is_behind_the_last_equals_sign() {
        let (name, told) = price("a=b/c=0.15/0.6").expect("a price");
        assert_eq!(name, "a=b/c");
        assert_eq!(told, serde_json::json!({ "input": 0.15, "output": 0.6 }));
        for wrong in ["small", "small=1", "small=a/b", "small=1/"] {
            assert!(price(wrong).is_err(), "{wrong}");
        }
    }
}
