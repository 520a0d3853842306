//! What a disk image is packed in, by its content.

use std::fmt;

use super::{ewf, qcow2, vhd, vhdx, vmdk};
use crate::capture::read_at::ReadAt;
use crate::error::Error;

/// What a disk image is packed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContainerFormat {
    /// The disk as it is, in one file or on a block device.
    Raw,
    /// The disk as it is, in several files.
    SplitRaw,
    /// VHD, of Virtual PC and Hyper-V.
    Vhd,
    /// VHDX, of Hyper-V.
    Vhdx,
    /// QCOW2, of QEMU.
    Qcow2,
    /// VMDK, of VMware.
    Vmdk,
    /// E01, the Expert Witness Format of EnCase.
    Ewf,
    /// A format that is known by name, and not read.
    Unsupported(UnsupportedContainer),
}

/// A format of disk images that is known by name, and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnsupportedContainer {
    /// VDI, of VirtualBox.
    Vdi,
    /// QCOW, the first version.
    Qcow1,
    /// QED, of QEMU.
    Qed,
    /// HDD, of Parallels.
    Parallels,
    /// Ex01, the second version of the Expert Witness Format.
    Ewf2,
    /// L01, Lx01 or AD1, which hold files, not disks.
    LogicalEvidence,
    /// AFF, the Advanced Forensic Format.
    Aff,
    /// DMG, of macOS.
    Dmg,
    /// COWD, of VMware ESX.
    VmdkCowd,
    /// SESparse, of VMware ESXi.
    VmdkSeSparse,
    /// FFU, Full Flash Update: a disk as DISM captures it.
    Ffu,
}

use UnsupportedContainer as Unsupported;

/// Where the signature of a format stands, for those that are only named.
const SIGNATURES: [(u64, &[u8], Unsupported); 14] = [
    (64, &[0x7F, 0x10, 0xDA, 0xBE], Unsupported::Vdi),
    (0, b"QFI\xFB\0\0\0\x01", Unsupported::Qcow1),
    (0, b"QED\0", Unsupported::Qed),
    (0, b"WithoutFreeSpace", Unsupported::Parallels),
    (0, b"WithouFreSpacExt", Unsupported::Parallels),
    (0, b"EVF2\r\n\x81\0", Unsupported::Ewf2),
    (0, b"LVF\x09\r\n\xFF\0", Unsupported::LogicalEvidence),
    (0, b"LEF2\r\n\x81\0", Unsupported::LogicalEvidence),
    (0, b"ADSEGMENTEDFILE", Unsupported::LogicalEvidence),
    (4, b"SignedImage ", Unsupported::Ffu),
    (0, b"AFF10\r\n\0", Unsupported::Aff),
    (0, b"AFF11\r\n\0", Unsupported::Aff),
    (0, b"COWD", Unsupported::VmdkCowd),
    (0, &0xCAFE_BABE_u64.to_le_bytes(), Unsupported::VmdkSeSparse),
];

/// Of a DMG, whose trailer of this length ends the file.
const DMG_TRAILER: (u64, &[u8]) = (512, b"koly");

impl ContainerFormat {
    /// Tells the format by content. What is none of the others is [`Raw`](Self::Raw), whatever it is.
    pub fn identify(bytes: &dyn ReadAt) -> ContainerFormat {
        if vhdx::is_vhdx(bytes) {
            return ContainerFormat::Vhdx;
        }
        if ewf::is_ewf(bytes) {
            return ContainerFormat::Ewf;
        }
        if vmdk::is_vmdk(bytes) {
            return ContainerFormat::Vmdk;
        }
        if qcow2::is_qcow2(bytes) {
            return ContainerFormat::Qcow2;
        }
        if vhd::is_vhd(bytes) {
            return ContainerFormat::Vhd;
        }
        let (trailer_size, trailer) = DMG_TRAILER;
        let trailer_at = bytes.size().checked_sub(trailer_size);
        if trailer_at.is_some_and(|at| starts_with(bytes, at, trailer)) {
            return ContainerFormat::Unsupported(Unsupported::Dmg);
        }
        let mut known = SIGNATURES.into_iter();
        match known.find(|(offset, signature, _)| starts_with(bytes, *offset, signature)) {
            Some((_, _, format)) => ContainerFormat::Unsupported(format),
            None => ContainerFormat::Raw,
        }
    }
}

/// Whether a signature stands at an offset.
pub(super) fn starts_with(bytes: &dyn ReadAt, offset: u64, signature: &[u8]) -> bool {
    let mut there = [0; 32];
    let there = &mut there[..signature.len()];
    bytes.read_exact_at(offset, there).is_ok() && there == signature
}

impl UnsupportedContainer {
    /// The error that names it and says what to do.
    pub(super) fn refusal(self) -> Error {
        let remedy = match self {
            Unsupported::Ewf2 => {
                "export it as E01, or as a raw image (EnCase, FTK Imager, or ewfexport of libewf)"
            }
            Unsupported::LogicalEvidence => "it holds files: extract them, and name the folder",
            Unsupported::Ffu => "apply it to a disk (dism /Apply-Ffu), and take an image of that",
            Unsupported::Aff => "convert it to a raw image (affconvert -r)",
            Unsupported::VmdkCowd | Unsupported::VmdkSeSparse => {
                "clone the disk without its snapshots (vmkfstools -i), and name the clone"
            }
            Unsupported::Dmg => "convert it to a raw image (hdiutil convert -format UDTO)",
            Unsupported::Vdi | Unsupported::Qcow1 | Unsupported::Qed | Unsupported::Parallels => {
                "convert it to a raw image or to QCOW2 (qemu-img convert)"
            }
        };
        Error::unsupported(self.to_string(), remedy)
    }
}

impl fmt::Display for UnsupportedContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Unsupported::Vdi => "a VirtualBox disk (VDI)",
            Unsupported::Qcow1 => "a QEMU disk of the first version (QCOW)",
            Unsupported::Qed => "a QEMU enhanced disk (QED)",
            Unsupported::Parallels => "a Parallels disk (HDD)",
            Unsupported::Ewf2 => "an EnCase image of the second version (Ex01)",
            Unsupported::LogicalEvidence => "a logical evidence file (L01, Lx01, AD1)",
            Unsupported::Aff => "an Advanced Forensic Format image (AFF)",
            Unsupported::Dmg => "a macOS disk image (DMG)",
            Unsupported::VmdkCowd => "a VMware ESX sparse disk (VMDK, COWD)",
            Unsupported::Ffu => "a Full Flash Update image (FFU)",
            Unsupported::VmdkSeSparse => {
                "a VMware ESXi space-efficient sparse disk (VMDK, SESparse)"
            }
        })
    }
}

impl fmt::Display for ContainerFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ContainerFormat::Raw => "raw",
            ContainerFormat::SplitRaw => "split raw",
            ContainerFormat::Vhd => "VHD",
            ContainerFormat::Vhdx => "VHDX",
            ContainerFormat::Qcow2 => "QCOW2",
            ContainerFormat::Vmdk => "VMDK",
            ContainerFormat::Ewf => "E01",
            ContainerFormat::Unsupported(format) => return format.fmt(f),
        })
    }
}
