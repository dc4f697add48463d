//! `openapi.yaml` (OpenAPI 3.1), from the table of routes and the schemas.

use std::collections::BTreeMap;

use kez_proto::{
    Code,
    http::{Credential, PROBLEM_JSON, ROUTES, Route},
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::schemas;

/// What any route may answer, beside what its own rules give.
const ALWAYS: [Code; 3] = [Code::RateLimited, Code::Internal, Code::Unavailable];

const SIGNATURE: &str = "`<unix seconds>:<signature hex>`: the time, within 60 s of the server's, and the key's signature over the text that the operation names";

/// A map in the order of the documents.
type InOrder<T> = Vec<(String, T)>;

#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Info,
    #[serde(serialize_with = "in_order")]
    paths: InOrder<Methods>,
    components: Value,
}

#[derive(Serialize)]
struct Info {
    title: &'static str,
    version: &'static str,
    license: Value,
    description: &'static str,
}

struct Methods(InOrder<Operation>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation_id: String,
    summary: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    security: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<Value>,
    responses: BTreeMap<String, Value>,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    r#in: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'static str,
    required: bool,
    schema: Value,
}

fn in_order<T: Serialize, S: Serializer>(map: &InOrder<T>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(map.iter().map(|(key, value)| (key, value)))
}

impl Serialize for Methods {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        in_order(&self.0, s)
    }
}

/// The document's text.
pub fn text() -> String {
    let mut paths: InOrder<Methods> = Vec::new();
    for route in ROUTES {
        let operation = (route.method.to_lowercase(), operation(route));
        match paths.iter_mut().find(|(path, _)| path == route.path) {
            Some((_, methods)) => methods.0.push(operation),
            None => paths.push((route.path.into(), Methods(vec![operation]))),
        }
    }
    let document = Document {
        openapi: "3.1.0",
        info: Info {
            title: "Kez Chat",
            version: "v1",
            license: json!({ "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" }),
            description: "The public API of a Kez Chat home server. What to do about each error code is in errors.md.",
        },
        paths,
        components: json!({
            "responses": Code::ALL.iter().map(|&code| (code.to_string(), problem(&[code], code.detail()))).collect::<Map<_, _>>(),
            "schemas": schemas::components(),
            "securitySchemes": {
                "signature": { "type": "apiKey", "in": "header", "name": "X-KEZ-Auth", "description": SIGNATURE },
                "signatureInQuery": { "type": "apiKey", "in": "query", "name": "auth", "description": "the same, where no header can be set" },
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "a session token; see POST /v1/session" },
            },
        }),
    };
    super::check_references(&json!(document));
    let yaml = serde_saphyr::to_string(&document).expect("the document is plain data");
    format!("# {}\n{yaml}", super::notice("proto-schemas/src"))
}

fn operation(route: &Route) -> Operation {
    let mut operation_id = route.method.to_lowercase();
    for word in route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
        operation_id += &format!("_{word}");
    }
    let in_path = route.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<_> = in_path.map(|name| parameter(name, "path", "")).collect();
    parameters.extend(route.parameters.iter().map(|(name, place, meaning)| parameter(name, place, meaning)));

    let (status, media, schema) = route.success;
    let success = json!({ "description": "success", "content": { media: { "schema": reference(schema) } } });
    let mut responses = BTreeMap::from([(status.to_string(), success)]);
    responses.extend(problems(route));
    let body =
        |name| json!({ "required": true, "content": { "application/json": { "schema": reference(name) } } });
    Operation {
        operation_id,
        summary: route.summary,
        parameters,
        security: route.credentials.iter().map(|way| together(way)).collect(),
        request_body: route.body.map(body),
        responses,
    }
}

/// Credentials that go together.
fn together(way: &[Credential]) -> Value {
    let name = |credential: &Credential| match credential {
        Credential::Signature => "signature",
        Credential::SignatureInQuery => "signatureInQuery",
        Credential::Token => "token",
    };
    way.iter().map(|credential| (name(credential).to_owned(), json!([]))).collect::<Map<_, _>>().into()
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn parameter(name: &str, place: &'static str, description: &'static str) -> Parameter {
    let schema = match name {
        "handle" => reference("Handle"),
        "primary" => reference("Primary"),
        "since" | "limit" | "through" | "Last-Event-ID" => json!({ "type": "integer", "minimum": 0 }),
        "rel" => json!({ "type": "array", "items": { "type": "string" } }),
        _ => json!({ "type": "string" }),
    };
    let required = place == "path" || ["resource", "through"].contains(&name);
    Parameter { name: name.into(), r#in: place, description, required, schema }
}

/// The error answers of a route by status, each with the codes that it may carry.
fn problems(route: &Route) -> BTreeMap<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for &code in route.errors.iter().chain(&ALWAYS) {
        by_status.entry(code.status()).or_default().push(code);
    }
    let answer = |codes: Vec<Code>| match codes[..] {
        [code] => json!({ "$ref": format!("#/components/responses/{code}") }),
        _ => problem(&codes, &codes.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", ")),
    };
    by_status.into_iter().map(|(status, codes)| (status.to_string(), answer(codes))).collect()
}

fn problem(codes: &[Code], words: &str) -> Value {
    let narrowed =
        json!({ "allOf": [reference("Problem"), { "properties": { "code": { "enum": codes } } }] });
    let mut answer = json!({ "description": words, "content": { PROBLEM_JSON: { "schema": narrowed } } });
    if codes.iter().any(|c| c.retry_after().is_some()) {
        answer["headers"]["Retry-After"] =
            json!({ "schema": { "type": "integer" }, "description": "seconds" });
    }
    answer
}
