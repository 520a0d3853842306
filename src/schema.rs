//! JSON Schema of the types whose JSON form is written by hand.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::file_time::FileTime;
use crate::finding::FindingCode;
use crate::registry::hive::LeftOutReason;
use crate::status::{DismMountMode, DismMountStatus, WimMountFlags};
use crate::warning::{Warning, WarningCode};
use crate::wide_string::WideString;

/// Implements `JsonSchema` by a schema that is the same everywhere.
macro_rules! schema {
    ($name:ty, $title:literal, $schema:expr) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

fn one_of(texts: impl IntoIterator<Item = &'static str>) -> Schema {
    let texts: Vec<&str> = texts.into_iter().collect();
    json_schema!({ "type": "string", "enum": texts })
}

schema!(
    WideString,
    "WideString",
    json_schema!({
        "type": "string",
        "description": "Text as Windows keeps it; a lone surrogate stands as its escape."
    })
);
schema!(
    FileTime,
    "FileTime",
    json_schema!({
        "type": ["string", "null"],
        "format": "date-time",
        "description": "RFC 3339 in UTC; null beyond the year 9999."
    })
);
schema!(
    DismMountStatus,
    "DismMountStatus",
    one_of(DismMountStatus::ALL.map(DismMountStatus::powershell_text))
);
schema!(
    DismMountMode,
    "DismMountMode",
    one_of(DismMountMode::ALL.map(DismMountMode::powershell_text))
);
schema!(
    WimMountFlags,
    "WimMountFlags",
    json_schema!({
        "type": "array",
        "items": one_of(WimMountFlags::all().names()),
        "description": "wimgapi's flags, without WIM_MOUNT_FLAG_."
    })
);
schema!(
    FindingCode,
    "FindingCode",
    one_of(FindingCode::ALL.iter().map(|code| code.as_str()))
);
schema!(
    WarningCode,
    "WarningCode",
    one_of(WarningCode::ALL.iter().map(|code| code.as_str()))
);
schema!(
    Warning,
    "Warning",
    json_schema!({
        "type": "object",
        "properties": {
            "code": one_of(WarningCode::ALL.iter().map(|code| code.as_str())),
            "message": { "type": "string" }
        },
        "required": ["code", "message"]
    })
);
schema!(
    LeftOutReason,
    "LeftOutReason",
    json_schema!({ "type": "string", "description": "Why, in plain words." })
);
