//! A JSON Schema made stricter than the one that is published: more may be added to what a report holds, but a test has to know it.

use serde_json::Value;

/// Lets the schema take no property that it does not name.
pub(crate) fn forbid_unknown_properties(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(forbid_unknown_properties);
            if object.get("properties").is_some_and(Value::is_object) && object.contains_key("type")
            {
                object.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(array) => array.iter_mut().for_each(forbid_unknown_properties),
        _ => (),
    }
}
