//! Builds captured trees in temporary directories, for tests.
#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::path::{Path, PathBuf};

use dism_mount_status::registry::MountRegistration;
use dism_mount_status::{Evidence, Observation, WideString};
use tempfile::TempDir;
use uuid::Uuid;

use super::hive_writer::{HiveWriter, Key};

/// A tree of files that goes when it is dropped.
pub struct Tree(TempDir);

impl Tree {
    pub fn new() -> Tree {
        Tree(TempDir::new().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of something in it.
    pub fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn directory(self, path: &str) -> Tree {
        fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    /// Writes a file, and the directories it lies in.
    pub fn file(self, path: &str, contents: impl AsRef<[u8]>) -> Tree {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, contents).unwrap();
        self
    }

    #[cfg(unix)]
    pub fn link(self, target: impl AsRef<Path>, path: &str) -> Tree {
        let link = self.at(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, link).unwrap();
        self
    }

    /// Sets an extended attribute. `None`, and a line that says why, where the file system has none: such a test is
    /// skipped.
    #[cfg(unix)]
    pub fn attribute(self, path: &str, name: &str, value: &[u8]) -> Option<Tree> {
        match xattr::set(self.at(path), name, value) {
            Ok(()) => Some(self),
            Err(error) => {
                eprintln!("skipped: no attribute {name} on {:?}: {error}", self.path());
                None
            }
        }
    }

    /// Adds what a Windows volume has at its root, so that it counts as whole.
    pub fn whole_volume(self) -> Tree {
        self.file("Windows/System32/config/SOFTWARE", software(&[]))
            .directory("Users")
            .directory("Program Files")
    }
}

/// The GUID of the fixtures in fixtures/mount-data.
pub const MOUNT_ID: Uuid = Uuid::from_u128(0xe242237c_66ed_4958_b9ec_c49b07eaeeb5);

/// A registration to be written.
#[derive(Debug, Clone)]
pub struct Registered {
    pub mount_id: Uuid,
    pub mount_path: String,
    pub wim_path: String,
    pub image_index: u32,
    pub status: u32,
    /// FILETIME ticks of the key.
    pub registered_at: u64,
}

impl Registered {
    pub fn new(mount_path: &str, wim_path: &str) -> Registered {
        Registered {
            mount_id: MOUNT_ID,
            mount_path: mount_path.to_owned(),
            wim_path: wim_path.to_owned(),
            image_index: 1,
            status: 2,
            registered_at: 133_798_695_400_000_000,
        }
    }

    fn key(&self) -> Key {
        Key::new(format!("{{{}}}", self.mount_id))
            .written(self.registered_at)
            .sz("WIM Path", &self.wim_path)
            .sz("Mount Path", &self.mount_path)
            .dword("Image Index", self.image_index)
            .dword("Status", self.status)
    }

    /// What reading it gives.
    pub fn registration(&self) -> MountRegistration {
        let key = format!(r"Microsoft\WIMMount\Mounted Images\{{{}}}", self.mount_id);
        let mut registration = MountRegistration::new(&*key);
        registration.mount_path = Observation::Present(self.mount_path.as_str().into());
        registration.image_file_path = Observation::Present(self.wim_path.as_str().into());
        registration.image_index = Observation::Present(self.image_index);
        registration.progress_value = Observation::Present(self.status);
        registration
    }

    pub fn evidence(&self) -> Evidence {
        Evidence::from_registration(self.registration())
    }
}

/// A SOFTWARE hive with these registrations, of a Windows in `C:\Windows`.
pub fn software(registrations: &[Registered]) -> Vec<u8> {
    software_at(r"C:\Windows", registrations)
}

/// A SOFTWARE hive of a Windows in any directory.
pub fn software_at(system_root: &str, registrations: &[Registered]) -> Vec<u8> {
    let mounted_images = registrations
        .iter()
        .fold(Key::new("Mounted Images"), |key, r| key.key(r.key()));
    let current_version = Key::new("CurrentVersion").sz("SystemRoot", system_root);
    let root = Key::new("ROOT")
        .key_at(&["Microsoft", "WIMMount"], mounted_images)
        .key_at(&["Microsoft", "Windows NT"], current_version);
    HiveWriter::default().write(&root)
}

/// A `$WIMMOUNTDATA` stream, laid out as the published sample; what is unknown of it is filler.
pub fn mount_data(mount_id: Uuid, mount_path: &str, wim_path: &str) -> Vec<u8> {
    let mut stream = vec![0; 4];
    stream.extend([0xA4; 12]);
    stream.extend(mount_id.to_bytes_le());
    stream.extend([0x20; 8]);
    for (id, path) in [(1u32, wim_path), (2, mount_path)] {
        let mut payload = WideString::from(path).to_utf16le();
        payload.extend([0, 0]);
        stream.extend(id.to_le_bytes());
        stream.extend((payload.len() as u32).to_le_bytes());
        stream.extend(payload);
        stream.resize(stream.len().next_multiple_of(8), 0);
    }
    let length = stream.len() as u32;
    stream[..4].copy_from_slice(&length.to_le_bytes());
    stream
}
