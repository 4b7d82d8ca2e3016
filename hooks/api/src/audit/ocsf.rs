//! The line's form: classes and fields of OCSF 1.7 as far as the router has something to say in them.
//!
//! Every name here is OCSF's, but for those in [`Unmapped`], which is OCSF's place for a source's own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::ModelCall;
use super::chain::Hash;
use super::record::{Begin, Resume, Signed};

/// The version of the schema.
pub const SCHEMA: &str = "1.7.0";
/// Profiles whose attributes a line may have.
const PROFILES: [&str; 3] = ["datetime", "host", "security_control"];
/// OCSF's number for whatever it has no number for.
pub const OTHER: u32 = 99;

/// A text that is borrowed when it is written and owned when it is read.
pub type Text<'a> = Cow<'a, str>;

/// A line.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Line<'a> {
    pub class_uid: u32,
    pub category_uid: u32,
    pub activity_id: u32,
    pub type_uid: u32,
    pub severity_id: u32,
    pub status_id: u32,
    pub status: Text<'a>,
    pub time: i64,
    pub time_dt: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time_dt: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Text<'a>>,
    pub metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall_rule: Option<Rule<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_endpoint: Option<Source<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_request: Option<HttpRequest<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding_info: Option<FindingInfo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidences: Option<[Evidence<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Device<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Product<'a>>,
    pub unmapped: Unmapped<'a>,
}

/// Who wrote the line, and its number.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Metadata<'a> {
    pub version: Text<'a>,
    pub product: Product<'a>,
    pub profiles: Vec<Text<'a>>,
    /// The proposal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_uid: Option<Text<'a>>,
    pub sequence: u64,
}

impl Metadata<'_> {
    /// Those of a line of this version of ours.
    pub fn ours(sequence: u64) -> Metadata<'static> {
        Metadata {
            version: SCHEMA.into(),
            product: Product::ours(),
            profiles: PROFILES.map(Text::from).to_vec(),
            correlation_uid: None,
            sequence,
        }
    }
}

/// A program by its maker.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Product<'a> {
    pub name: Text<'a>,
    pub vendor_name: Text<'a>,
    pub version: Text<'a>,
}

impl Product<'_> {
    /// The router.
    pub fn ours() -> Product<'static> {
        Product {
            name: "nemoclaw-router".into(),
            vendor_name: "NemoClaw".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// The deciding rule.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rule<'a> {
    pub name: Text<'a>,
}

/// Who asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Actor<'a> {
    pub process: Process<'a>,
}

/// The process that asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Process<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<File<'a>>,
    pub sandbox: Text<'a>,
}

/// Its executable.
#[derive(Debug, Serialize, Deserialize)]
pub struct File<'a> {
    pub name: Text<'a>,
    pub path: Text<'a>,
    pub type_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hashes: Option<[Fingerprint<'a>; 1]>,
}

/// The executable's sum.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fingerprint<'a> {
    pub algorithm: Text<'a>,
    pub algorithm_id: u32,
    pub value: Text<'a>,
}

/// Where the flow began.
#[derive(Debug, Serialize, Deserialize)]
pub struct Source<'a> {
    pub name: Text<'a>,
}

/// Where it was to go.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Endpoint<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// A request.
#[derive(Debug, Serialize, Deserialize)]
pub struct HttpRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<Text<'a>>,
    pub url: Url<'a>,
}

/// What was asked for, without its query.
#[derive(Debug, Serialize, Deserialize)]
pub struct Url<'a> {
    pub hostname: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text<'a>>,
    pub port: u16,
}

/// How much passed: out of the sandbox, and in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Traffic {
    pub bytes: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct FindingInfo<'a> {
    pub uid: Text<'a>,
    pub title: Text<'a>,
}

/// In what it was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Evidence<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_request: Option<HttpRequest<'a>>,
}

/// What has the configuration: the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct Device<'a> {
    pub name: Text<'a>,
    pub type_id: u32,
    #[serde(rename = "type")]
    pub kind: Text<'a>,
}

/// Our own: what the event is about, and the chain.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Unmapped<'a> {
    pub sandbox: Text<'a>,
    pub kind: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Cow<'a, ModelCall>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begin: Option<Begin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Signed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Hash>,
}
