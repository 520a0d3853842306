//! `$LogFile`, the journal of a volume: whether the volume was left in order. It is not replayed.
//!
//! `RESTART_PAGE_HEADER` and `RESTART_AREA` after the Linux-NTFS project's `logfile.h`.

use std::rc::Rc;

use nom::bytes::complete::take;
use nom::number::complete::{le_u16, le_u64};

use super::attribute::AttributeType;
use super::attribute_set::AttributeSet;
use super::attribute_stream::AttributeStream;
use super::file_reference::FileReference;
use super::file_table::FileTable;
use super::update_sequence;
use crate::binary::structure;
use crate::error::{Error, Position};
use crate::wide_string::WideString;

const RECORD: FileReference = FileReference::to_record(2);
/// Size of a restart page in bytes, of which the journal has two in front.
const PAGE_SIZE: usize = 4096;
const RESTART_SIGNATURE: &[u8; 4] = b"RSTR";
/// What chkdsk writes in the place of that.
const CHECKED_SIGNATURE: &[u8; 4] = b"CHKD";
/// What a journal is filled with that holds nothing.
const EMPTY: u8 = 0xFF;
/// `LOGFILE_NO_CLIENT`
const NO_CLIENT: u16 = 0xFFFF;
/// `RESTART_VOLUME_IS_CLEAN`
const VOLUME_IS_CLEAN: u16 = 0x0002;

/// Whether the journal says that all changes are on the volume.
///
/// # Errors
///
/// It cannot be read, or has no restart page that can.
pub(super) fn is_clean(table: &Rc<FileTable>) -> Result<bool, Error> {
    let record = table.file_record(RECORD)?;
    let place = Position::Byte(record.position);
    let attributes = AttributeSet::new(table.clone(), record);
    let data = attributes.find(AttributeType::DATA, &WideString::default())?;
    let Some(data) = data else {
        return Err(Error::malformed("the data of $LogFile", "none").at(place));
    };
    let journal = data.open();
    if journal.size() < 2 * PAGE_SIZE as u64 {
        return Ok(true);
    }
    let first = restart_page(&journal, 0);
    let second = restart_page(&journal, PAGE_SIZE as u64);
    let newest = match (first, second) {
        (Ok(first), Ok(second)) => [first, second]
            .into_iter()
            .flatten()
            .max_by_key(|page| page.0),
        (Ok(only), Err(_)) | (Err(_), Ok(only)) => only,
        (Err(error), Err(_)) => return Err(error),
    };
    Ok(newest.is_none_or(|(_, is_clean)| is_clean))
}

/// How new a restart page is, and whether it says that the volume is in order. `None` where there is nothing.
fn restart_page(journal: &AttributeStream, offset: u64) -> Result<Option<(u64, bool)>, Error> {
    let mut page = vec![0; PAGE_SIZE];
    journal.read_at(offset, &mut page)?;
    if page.iter().all(|&byte| byte == EMPTY) {
        return Ok(None);
    }
    let position = journal.place_of(offset).byte();
    let signature = match page.starts_with(CHECKED_SIGNATURE) {
        true => CHECKED_SIGNATURE,
        false => RESTART_SIGNATURE,
    };
    update_sequence::undo(&mut page, signature, position)?;
    let head = (take(0x18_usize), le_u16);
    let (_, (_, area)) = structure("a restart page's head", position, &page, head)?;
    let area_position = position.saturating_add(area.into());
    let area = page.get(usize::from(area)..).unwrap_or_default();
    let fields = (le_u64, le_u16, le_u16, le_u16, le_u16);
    let (_, (number, _clients, _free, in_use, flags)) =
        structure("a restart area", area_position, area, fields)?;
    Ok(Some((
        number,
        in_use == NO_CLIENT || flags & VOLUME_IS_CLEAN != 0,
    )))
}
