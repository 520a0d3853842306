//! Where Windows lies, by what the SOFTWARE hive says.

use std::io::{Read, Seek};

use super::hive::Hive;
use super::software_hive::software_key;
use super::system_hive::read;
use crate::observation::Observation;
use crate::wide_string::WideString;

/// Reads from a SOFTWARE hive, or one in which someone saved `SOFTWARE` as a key, the directory of Windows by the letters
/// that the machine itself gave to its drives: `SystemRoot` of `Microsoft\Windows NT\CurrentVersion`.
pub fn system_root<R: Read + Seek>(hive: &mut Hive<R>) -> Observation<WideString> {
    let software = match software_key(hive) {
        Ok(software) => software.unwrap_or_default(),
        Err(error) => return Observation::Unreadable(error),
    };
    let path = [software, &["Microsoft", "Windows NT", "CurrentVersion"]].concat();
    read(hive, &path, "SystemRoot", |_, data| {
        Ok(WideString::from_utf16le_until_nul(data))
    })
}
