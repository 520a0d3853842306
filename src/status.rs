//! The field's vocabulary: what DISM and wimgapi call the states of a mounted image.
//!
//! Source: the DISM API reference and `wimgapi.h`, both by Microsoft.

use std::fmt;
use std::str::FromStr;

use bitflags::bitflags;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Error;

/// DISM's judgement of a mounted image (`DismMountStatus` of the DISM API).
///
/// The order is from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum DismMountStatus {
    /// Mounted, and ready for servicing: 0.
    Ok = 0,
    /// To be remounted before it can be serviced: 1.
    NeedsRemount = 1,
    /// Corrupt, or in an invalid state: 2.
    Invalid = 2,
}

impl DismMountStatus {
    /// All of them, from good to bad.
    pub const ALL: [DismMountStatus; 3] = [
        DismMountStatus::Ok,
        DismMountStatus::NeedsRemount,
        DismMountStatus::Invalid,
    ];

    /// As `dism /Get-MountedImageInfo` prints it: `Ok`, `Needs Remount` or `Invalid`.
    pub const fn dism_text(self) -> &'static str {
        match self {
            DismMountStatus::Ok => "Ok",
            DismMountStatus::NeedsRemount => "Needs Remount",
            DismMountStatus::Invalid => "Invalid",
        }
    }

    /// As PowerShell's `Get-WindowsImage -Mounted` prints it: `Ok`, `NeedsRemount` or `Invalid`.
    pub const fn powershell_text(self) -> &'static str {
        match self {
            DismMountStatus::Ok => "Ok",
            DismMountStatus::NeedsRemount => "NeedsRemount",
            DismMountStatus::Invalid => "Invalid",
        }
    }
}

/// Whether a mounted image can be written to (`DismMountMode` of the DISM API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum DismMountMode {
    /// Mounted for reading and writing: 0.
    ReadWrite = 0,
    /// Mounted for reading only: 1.
    ReadOnly = 1,
}

impl DismMountMode {
    /// Both of them.
    pub const ALL: [DismMountMode; 2] = [DismMountMode::ReadWrite, DismMountMode::ReadOnly];

    /// As `dism /Get-MountedImageInfo` answers `Mounted Read/Write`: `Yes` or `No`.
    pub const fn dism_text(self) -> &'static str {
        match self {
            DismMountMode::ReadWrite => "Yes",
            DismMountMode::ReadOnly => "No",
        }
    }

    /// As PowerShell's `Get-WindowsImage -Mounted` prints it: `ReadWrite` or `ReadOnly`.
    pub const fn powershell_text(self) -> &'static str {
        match self {
            DismMountMode::ReadWrite => "ReadWrite",
            DismMountMode::ReadOnly => "ReadOnly",
        }
    }
}

/// The numbers of the API both ways, the texts of DISM and PowerShell both ways, and serde by PowerShell's.
macro_rules! api_enum {
    ($name:ident, $texts:literal) => {
        impl From<$name> for u32 {
            fn from(value: $name) -> u32 {
                value as u32
            }
        }

        impl TryFrom<u32> for $name {
            type Error = Error;

            fn try_from(number: u32) -> Result<Self, Error> {
                let known = Self::ALL.into_iter().find(|known| *known as u32 == number);
                known.ok_or_else(|| {
                    let expected = concat!("a number of ", stringify!($name));
                    Error::malformed(expected, number.to_string())
                })
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Reads DISM's text or PowerShell's, in any letter case.
            fn from_str(text: &str) -> Result<Self, Error> {
                let known = Self::ALL.into_iter().find(|known| {
                    text.eq_ignore_ascii_case(known.dism_text())
                        || text.eq_ignore_ascii_case(known.powershell_text())
                });
                known.ok_or_else(|| Error::malformed($texts, format!("{text:?}")))
            }
        }

        impl fmt::Display for $name {
            /// PowerShell's text.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.powershell_text())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.powershell_text())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

api_enum!(DismMountStatus, "`Ok`, `NeedsRemount` or `Invalid`");
api_enum!(DismMountMode, "`ReadWrite` or `ReadOnly`");

bitflags! {
    /// wimgapi's view of a mounted image: `dwMountFlags` of `WIM_MOUNT_INFO_LEVEL1`, the `WIM_MOUNT_FLAG_*` bits.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct WimMountFlags: u32 {
        /// Actively mounted.
        const MOUNTED = 0x1;
        /// In the process of being mounted.
        const MOUNTING = 0x2;
        /// Not mounted, but can be remounted.
        const REMOUNTABLE = 0x4;
        /// The mount point is no longer valid.
        const INVALID = 0x8;
        /// The image file is missing or cannot be accessed.
        const NO_WIM = 0x10;
        /// The mount directory was removed or replaced.
        const NO_MOUNTDIR = 0x20;
        /// Another mounted image is in the mount directory now.
        const MOUNTDIR_REPLACED = 0x40;
        /// Mounted for reading and writing.
        const READWRITE = 0x100;
    }
}

impl WimMountFlags {
    /// The status that DISM would show for these flags: MOUNTED is Ok, REMOUNTABLE is NeedsRemount, all else is Invalid.
    ///
    /// This is inferred: no public source states it.
    pub fn inferred_status(self) -> DismMountStatus {
        if self.contains(WimMountFlags::INVALID) {
            DismMountStatus::Invalid
        } else if self.contains(WimMountFlags::MOUNTED) {
            DismMountStatus::Ok
        } else if self.contains(WimMountFlags::REMOUNTABLE) {
            DismMountStatus::NeedsRemount
        } else {
            DismMountStatus::Invalid
        }
    }

    /// The names of the flags that are set, without `WIM_MOUNT_FLAG_`.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter_names().map(|(name, _)| name)
    }
}

impl From<WimMountFlags> for u32 {
    fn from(flags: WimMountFlags) -> u32 {
        flags.bits()
    }
}

impl TryFrom<u32> for WimMountFlags {
    type Error = Error;

    fn try_from(bits: u32) -> Result<Self, Error> {
        WimMountFlags::from_bits(bits).ok_or_else(|| {
            let unknown = bits & !WimMountFlags::all().bits();
            Error::malformed(
                "WIM_MOUNT_FLAG bits",
                format!("the unknown bits {unknown:#x}"),
            )
        })
    }
}

impl Serialize for WimMountFlags {
    /// As a list of names.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for WimMountFlags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let flags = names.iter().map(|name| {
            WimMountFlags::from_name(name)
                .ok_or_else(|| de::Error::custom(format!("unknown mount flag {name:?}")))
        });
        flags.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_api() {
        for (number, status) in [
            (0, DismMountStatus::Ok),
            (1, DismMountStatus::NeedsRemount),
            (2, DismMountStatus::Invalid),
        ] {
            assert_eq!(u32::from(status), number);
            assert_eq!(DismMountStatus::try_from(number).unwrap(), status);
        }
        let error = DismMountStatus::try_from(3).unwrap_err();
        assert_eq!(error.found(), Some("3"));
        assert_eq!(DismMountMode::try_from(1).unwrap(), DismMountMode::ReadOnly);
        assert!(DismMountMode::try_from(2).is_err());
    }

    #[test]
    fn texts_are_those_of_dism_and_powershell() {
        for status in DismMountStatus::ALL {
            assert_eq!(
                status.dism_text().parse::<DismMountStatus>().unwrap(),
                status
            );
            assert_eq!(
                status.powershell_text().parse::<DismMountStatus>().unwrap(),
                status
            );
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(
                serde_json::from_str::<DismMountStatus>(&json).unwrap(),
                status
            );
        }
        assert_eq!(
            "Needs Remount".parse::<DismMountStatus>().unwrap(),
            DismMountStatus::NeedsRemount
        );
        assert!("Fine".parse::<DismMountStatus>().is_err());
        for mode in DismMountMode::ALL {
            assert_eq!(mode.dism_text().parse::<DismMountMode>().unwrap(), mode);
            assert_eq!(
                mode.powershell_text().parse::<DismMountMode>().unwrap(),
                mode
            );
        }
    }

    #[test]
    fn flags_have_the_bits_of_wimgapi_and_refuse_others() {
        let bits = [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x100];
        assert_eq!(
            WimMountFlags::all()
                .iter()
                .map(u32::from)
                .collect::<Vec<_>>(),
            bits
        );
        assert!(
            WimMountFlags::try_from(0x101)
                .unwrap()
                .contains(WimMountFlags::READWRITE)
        );
        assert_eq!(
            WimMountFlags::try_from(0x280).unwrap_err().found(),
            Some("the unknown bits 0x280")
        );
        let flags = WimMountFlags::INVALID | WimMountFlags::NO_WIM;
        let json = serde_json::to_string(&flags).unwrap();
        assert_eq!(json, r#"["INVALID","NO_WIM"]"#);
        assert_eq!(serde_json::from_str::<WimMountFlags>(&json).unwrap(), flags);
        assert!(serde_json::from_str::<WimMountFlags>(r#"["ODD"]"#).is_err());
    }

    #[test]
    fn invalid_outweighs_the_other_flags() {
        let status = |bits| WimMountFlags::try_from(bits).unwrap().inferred_status();
        assert_eq!(status(0x101), DismMountStatus::Ok);
        assert_eq!(status(0x104), DismMountStatus::NeedsRemount);
        assert_eq!(status(0x9), DismMountStatus::Invalid);
        assert_eq!(status(0x2), DismMountStatus::Invalid);
        assert_eq!(status(0), DismMountStatus::Invalid);
    }
}
