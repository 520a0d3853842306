//! A volume whose files are members of a collection.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::archive::MemberKind;
use super::member_name::Spelling;
use super::members::Members;
use super::tree::{NodeId, NodeKind, Tree};
use crate::capture::Scope;
use crate::capture::link::{Link, leads_out};
use crate::capture::mount_traces::MountTraces;
use crate::capture::read_at::{ReadAt, ReadAtCursor};
use crate::capture::stream_file;
use crate::capture::volume::{
    CapturedFile, Child, FileKind, MAX_MOUNT_DATA_LENGTH, ReadSeek, Volume, bounded_mount_data,
    is_short_name, streams_not_captured, trim_end,
};
use crate::error::Error;
use crate::file_time::FileTime;
use crate::observation::Observation;
use crate::warning::Warnings;
use crate::wide_string::WideString;
use crate::windows_path::{PathComponent, PathRoot, WindowsPath};

/// A volume whose files are members of a collection.
#[derive(Debug, Clone)]
pub(super) struct CollectedVolume(Rc<Files>);

#[derive(Debug)]
struct Files {
    members: Rc<Members>,
    tree: Rc<Tree>,
    root: NodeId,
    scope: Scope,
    /// Whether the capture keeps `$WIMMOUNTDATA` streams, as one of them shows.
    shows_streams: bool,
}

impl CollectedVolume {
    pub(super) fn new(
        members: Rc<Members>,
        tree: Rc<Tree>,
        root: NodeId,
        scope: Scope,
        shows_streams: bool,
    ) -> Self {
        CollectedVolume(Rc::new(Files {
            members,
            tree,
            root,
            scope,
            shows_streams,
        }))
    }
}

impl Volume for CollectedVolume {
    fn scope(&self) -> Scope {
        self.0.scope
    }

    fn root(&self) -> Rc<dyn CapturedFile> {
        CollectedFile::at(&self.0, self.0.root)
    }

    fn search(&self, traces: &mut MountTraces<'_>) {
        let files = &self.0;
        for id in files.tree.nodes_of(files.root) {
            traces.saw_file();
            let node = files.tree.node(id);
            if let Some(stream) = files.kept_with(id) {
                traces.stream(files.path(id), bounded_mount_data(stream.to_vec()));
            } else if node.kind == NodeKind::File
                && let Some(name) = files.directory_of_stream_file(id)
            {
                let mut directory = files.path(node.parent);
                directory.push(PathComponent(name));
                traces.stream(directory, files.read_stream(id));
            }
        }
    }

    fn shows_streams(&self) -> bool {
        self.0.shows_streams
    }

    fn is_listed_whole(&self) -> bool {
        self.0.is_whole()
    }

    fn take_warnings(&self) -> Warnings {
        self.0.members.take_warnings()
    }
}

impl Files {
    /// Whether all files are known.
    fn is_whole(&self) -> bool {
        self.members.is_whole() && !self.tree.is_full()
    }

    /// The names from the volume's root to a file.
    fn path(&self, id: NodeId) -> Vec<PathComponent> {
        let names = self.tree.path(id).into_iter();
        names.map(PathComponent).collect()
    }

    /// The stream that the archive keeps with a directory as an extended attribute.
    fn kept_with(&self, id: NodeId) -> Option<&[u8]> {
        self.members.mount_data(self.tree.node(id).member?)
    }

    /// The file in a directory that holds the stream of another directory in it.
    fn stream_file(&self, parent: NodeId, directory: &WideString) -> Option<NodeId> {
        let mut files = stream_file::names(directory)
            .filter_map(|name| self.tree.child(parent, &name))
            .filter(|&file| self.tree.node(file).kind == NodeKind::File);
        files.next()
    }

    /// The name of the directory whose stream a file holds, which lies beside it or was not collected.
    fn directory_of_stream_file(&self, file: NodeId) -> Option<WideString> {
        let parent = self.tree.node(file).parent;
        let directories = stream_file::directories(&self.tree.name(file));
        let mut collected = directories.iter().filter(|name| {
            let directory = self.tree.child(parent, name);
            directory.is_some_and(|id| self.tree.node(id).kind == NodeKind::Directory)
        });
        collected.next().or(directories.first()).cloned()
    }

    fn read_stream(&self, file: NodeId) -> Result<Vec<u8>, Error> {
        let data = self.data(file)?;
        if data.size() > MAX_MOUNT_DATA_LENGTH {
            let expected = format!("a stream of at most {MAX_MOUNT_DATA_LENGTH} bytes");
            return Err(Error::malformed(expected, "a longer one"));
        }
        let mut stream = vec![0; data.size() as usize];
        data.read_exact_at(0, &mut stream)?;
        Ok(stream)
    }

    fn data(&self, id: NodeId) -> Result<Rc<dyn ReadAt>, Error> {
        match self.tree.node(id).member {
            Some(member) => self.members.open(member),
            None => Err(Error::malformed("a file", "a directory")),
        }
    }
}

/// A file or directory of a collected volume.
#[derive(Debug)]
struct CollectedFile {
    files: Rc<Files>,
    id: NodeId,
    host_path: Option<PathBuf>,
}

impl CollectedFile {
    fn at(files: &Rc<Files>, id: NodeId) -> Rc<dyn CapturedFile> {
        let member = files.tree.node(id).member;
        Rc::new(CollectedFile {
            files: Rc::clone(files),
            id,
            host_path: member.and_then(|member| files.members.host_path(member)),
        })
    }
}

impl CapturedFile for CollectedFile {
    fn kind(&self) -> Result<FileKind, Error> {
        let node = self.files.tree.node(self.id);
        Ok(match (node.kind, node.member) {
            (NodeKind::File, _) => FileKind::File,
            (NodeKind::Link, Some(member)) => {
                FileKind::Link(link(&self.files.members.link_target(member)?)?)
            }
            (NodeKind::Special, _) => FileKind::Special,
            (NodeKind::Directory | NodeKind::Link, _) => FileKind::Directory,
        })
    }

    fn child(&self, name: &WideString) -> Result<Child, Error> {
        let tree = &self.files.tree;
        let trimmed = trim_end(name);
        let child = tree.child(self.id, name);
        Ok(match child.or_else(|| tree.child(self.id, &trimmed)) {
            Some(id) => Child::Found(CollectedFile::at(&self.files, id), tree.name(id)),
            // Archives keep no short names.
            None if is_short_name(name) => Child::ShortName,
            None => Child::Missing,
        })
    }

    fn open(&self) -> Result<Box<dyn ReadSeek>, Error> {
        Ok(Box::new(ReadAtCursor::new(self.files.data(self.id)?)))
    }

    fn modified(&self) -> Option<FileTime> {
        let member = self.files.tree.node(self.id).member?;
        self.files.members.member(member)?.modified
    }

    fn mount_data(&self) -> Observation<Vec<u8>> {
        let files = &self.files;
        if let Some(stream) = files.kept_with(self.id) {
            return match bounded_mount_data(stream.to_vec()) {
                Ok(stream) => Observation::Present(stream),
                Err(error) => Observation::Unreadable(error),
            };
        }
        let parent = files.tree.node(self.id).parent;
        let file = match parent == self.id {
            // What lies beside the drive's folder is not the drive's.
            true => None,
            false => files.stream_file(parent, &files.tree.name(self.id)),
        };
        match file.map(|file| files.read_stream(file)) {
            Some(Ok(stream)) => Observation::Present(stream),
            Some(Err(error)) => Observation::Unreadable(error),
            None if files.shows_streams && files.is_whole() => Observation::Absent,
            None => streams_not_captured(),
        }
    }

    fn mount_data_of(&self, directory: &WideString) -> Result<Option<Vec<u8>>, Error> {
        let file = self.files.stream_file(self.id, directory);
        file.map(|file| self.files.read_stream(file)).transpose()
    }

    fn host_path(&self) -> Option<&Path> {
        self.host_path.as_deref()
    }
}

impl From<MemberKind> for NodeKind {
    fn from(kind: MemberKind) -> Self {
        match kind {
            MemberKind::File => NodeKind::File,
            MemberKind::Directory => NodeKind::Directory,
            MemberKind::Link => NodeKind::Link,
            MemberKind::Special => NodeKind::Special,
        }
    }
}

/// Where a link leads, by its target as the archive or this host keeps it: a path of Windows, or one of the system that the
/// collection was made on.
fn link(target: &[u8]) -> Result<Link, Error> {
    let text = Spelling::Plain.decode(target);
    let path = WindowsPath::parse(&text);
    match &path.root {
        PathRoot::CurrentDirectory => Ok(Link::Beside(path.components)),
        PathRoot::Drive(_) | PathRoot::Volume(_) | PathRoot::Device(_) => Ok(Link::To(path)),
        _ => Err(leads_out(Path::new(&text.to_string_lossy()))),
    }
}
