#include "agent/spool/spool_inspect.hpp"

#include <algorithm>

#include "agent/spool/slot_file.hpp"
#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

constexpr std::uint64_t kMaxSegmentFile = 512U << 20U;
constexpr std::size_t kPiece = 64U << 10U;

std::uint64_t size_of(Files& files, const std::string& path) {
  const auto file = files.open(path, OpenMode::read);
  const auto size = file ? (*file)->size() : Result<std::uint64_t>(std::uint64_t{0});
  return size ? *size : 0;
}

/// The files of a folder and of the folders in it.
void list_files(Files& files, const std::string& directory, bool deeper,
                std::vector<FolderFile>& out) {
  const auto names = files.list(directory);
  if (!names) return;
  for (const auto& name : *names) {
    const std::string path = directory + "/" + name;
    if (deeper && files.list(path)) {
      list_files(files, path, false, out);
    } else {
      out.push_back({path, size_of(files, path)});
    }
  }
}

template <typename T, typename Decode>
Status read_small(Files& files, const std::string& path, wire::FrameType type, Decode decode,
                  SmallFile<T>& out) {
  if (!files.exists(path)) {
    out.trouble = "missing";
    return {};
  }
  const auto bytes = read_file(files, path, 16 * kSlotBytes);
  if (!bytes) {
    out.trouble = bytes.error().what;
    return {};
  }
  SlotLook look = look_at_slots(*bytes, type);
  // Written while it was read: the other slot is whole, and a second look finds both.
  if (!look.damaged.empty()) {
    if (const auto again = read_file(files, path, 16 * kSlotBytes))
      look = look_at_slots(*again, type);
  }
  for (const std::size_t slot : look.damaged) out.damage.push_back(slot * kSlotBytes);
  if (look.content) {
    auto content = decode(*look.content);
    if (!content) return Error{content.error().what, path, content.error().todo};
    out.content = std::move(*content);
  }
  if (!out.content) out.trouble = "damaged";
  return {};
}

Status read_small_files(Files& files, SpoolFolder& folder) {
  Status done = read_small(
      files, folder.directory + "/mark", kMarkFrame,
      [](ByteView bytes) -> Result<std::optional<Mark>> { return decode_mark(bytes); },
      folder.mark);
  if (!done) return done;
  return read_small(files, folder.directory + "/identity", kIdentityFrame, decode_identity,
                    folder.identity);
}

/// Where the identity file does not tell: the newest header that does, else the newest batch.
void take_identity(SpoolFolder& folder, const std::vector<HeaderScan>& headers, Files& files) {
  if (folder.identity.content) {
    folder.agent = folder.identity.content->agent;
    folder.incarnation = folder.identity.content->incarnation;
    return;
  }
  for (const auto& scan : headers) {
    if (scan.state != HeaderState::whole) continue;
    folder.agent = scan.header.agent;
    folder.incarnation = scan.header.incarnation;
  }
  if (!folder.agent.empty()) return;
  for (auto at = folder.segments.rbegin(); at != folder.segments.rend(); ++at) {
    const auto bytes = read_file(files, at->path, kMaxSegmentFile);
    if (!bytes) continue;
    ByteView rest(*bytes);
    while (const auto found = wire::find_marker(rest)) {
      rest = rest.subspan(*found);
      if (const auto head = wire::decode_batch_head(rest)) {
        folder.agent = head->agent;
        folder.incarnation = head->incarnation;
        return;
      }
      rest = rest.subspan(1);
    }
  }
}

Result<Bytes> read_segment_file(File& file, std::uint64_t size, const std::string& path,
                                std::vector<std::uint64_t>& unreadable) {
  if (size > kMaxSegmentFile)
    return Error{"a segment of " + std::to_string(size) + " bytes", path,
                 "move it out of the spool"};
  auto whole = file.read_at(0, static_cast<std::size_t>(size));
  if (whole) return whole;
  Bytes out(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < out.size(); at += kPiece) {
    const auto piece = file.read_at(at, std::min(kPiece, out.size() - at));
    if (piece) {
      std::copy(piece->begin(), piece->end(), out.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      unreadable.push_back(at);
    }
  }
  return out;
}

/// Those that stand before the first batch.
void tell_definitions(ByteView bytes,
                      const std::function<void(const wire::Definition&)>& definition) {
  const HeaderScan start = scan_segment_header(bytes);
  const std::size_t from = start.size != 0 ? start.size : kSegmentMagic.size();
  if (!definition || from >= bytes.size()) return;
  for (ByteView rest = bytes.subspan(from); !rest.empty();) {
    const auto frame = wire::next_frame(rest);
    std::size_t size = frame.size;
    if (frame.status == wire::FrameStatus::end || frame.type == wire::FrameType::head) return;
    if (frame.status != wire::FrameStatus::whole) {
      size = skip_damaged_frame(rest).value_or(rest.size());
    } else if (frame.type == wire::FrameType::dictionary) {
      if (const auto one = wire::decode_definition(frame.payload)) definition(*one);
    }
    rest = rest.subspan(size);
  }
}

/// Where the next whole frame begins after a damaged one, by length or search, else by a head.
std::optional<std::size_t> next_whole(ByteView rest) {
  if (const auto size = skip_damaged_frame(rest)) return size;
  std::size_t from = 1;
  while (from < rest.size()) {
    const auto found = wire::find_marker(rest.subspan(from));
    if (!found) return std::nullopt;
    from += *found;
    if (wire::next_frame(rest.subspan(from)).status == wire::FrameStatus::whole) return from;
    ++from;
  }
  return std::nullopt;
}

}  // namespace

bool SpoolFolder::mark_known() const {
  return mark.content && mark.content->incarnation == incarnation;
}

std::uint64_t SpoolFolder::acknowledged() const {
  return mark_known() ? mark.content->sequence : 0;
}

Result<SpoolFolder> look_at_spool(Files& files, const std::string& directory) {
  SpoolFolder folder;
  folder.directory = directory;
  const auto names = files.list(directory);
  if (!names) return names.error();
  Status done = read_small_files(files, folder);
  if (!done) return done.error();
  std::vector<HeaderScan> headers;
  bool any = false;
  for (const auto& name : *names) {
    any = any || name == "identity" || name == "mark" || name == "quarantine";
    const std::string path = directory + "/" + name;
    if (name.ends_with(".tmp")) folder.leftovers.push_back({path, size_of(files, path)});
    const auto first = segment_number(name);
    if (!first) continue;
    const auto file = files.open(path, OpenMode::read);
    if (!file) {
      if (!files.exists(path)) continue;  // acknowledged and removed meanwhile
      return file.error();
    }
    const auto size = (*file)->size();
    const auto head = (*file)->read_at(0, kMaxHeaderBytes);
    headers.push_back(scan_segment_header(head ? ByteView(*head) : ByteView()));
    if (headers.back().state == HeaderState::newer)
      return Error{"written by a newer version of tallyman", path,
                   "use the tallyman that wrote it"};
    folder.segments.push_back({path, *first, 0, size ? *size : 0});
  }
  if (!any && folder.segments.empty())
    return Error{"no spool stands here", directory, "name the folder that holds segment-….seg"};
  take_identity(folder, headers, files);
  std::vector<SegmentFile> ours;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto& header = headers[i];
    const bool other =
        header.state == HeaderState::whole &&
        (header.header.incarnation != folder.incarnation || header.header.agent != folder.agent);
    if (other) {
      folder.others.push_back({folder.segments[i].path, folder.segments[i].bytes});
    } else {
      ours.push_back(folder.segments[i]);
    }
  }
  folder.segments = std::move(ours);
  for (std::size_t i = 0; i + 1 < folder.segments.size(); ++i)
    folder.segments[i].last = folder.segments[i + 1].first - 1;
  list_files(files, directory + "/quarantine", true, folder.quarantine);
  list_files(files, directory + "/next", false, folder.leftovers);
  return folder;
}

Result<std::optional<SegmentLook>> look_at_segment(Files& files, const SpoolFolder& folder,
                                                   const SegmentFile& segment,
                                                   const SegmentReader& reader) {
  const auto file = files.open(segment.path, OpenMode::read);
  if (!file) {
    if (!files.exists(segment.path)) return std::optional<SegmentLook>();
    return file.error();
  }
  const auto size = (*file)->size();
  if (!size) return size.error();
  SegmentLook look;
  auto bytes = read_segment_file(**file, *size, segment.path, look.unreadable);
  if (!bytes) return bytes.error();
  look.bytes = std::move(*bytes);
  tell_definitions(look.bytes, reader.definition);
  look.scan = scan_segment(
      look.bytes, {folder.agent, folder.incarnation, segment.first, segment.last, reader.batch});
  return std::optional<SegmentLook>(std::move(look));
}

std::optional<wire::Batch> open_batch(const SegmentLook& look) {
  if (!look.scan.open) return std::nullopt;
  const OpenPlace& open = *look.scan.open;
  Bytes bytes = batch_bytes(ByteView(look.bytes)
                                .subspan(static_cast<std::size_t>(open.offset),
                                         static_cast<std::size_t>(open.end - open.offset)));
  const Bytes seal = wire::encode_seal({.watermark = 0, .pages = open.pages});
  bytes.insert(bytes.end(), seal.begin(), seal.end());
  auto batch = wire::decode_batch(bytes);
  if (!batch) return std::nullopt;
  return std::move(*batch);
}

std::vector<ByteRange> damaged_ranges(ByteView bytes, std::uint64_t from) {
  std::vector<ByteRange> out;
  std::size_t used = bytes.size();
  while (used > from && bytes[used - 1] == 0) --used;
  for (std::size_t at = static_cast<std::size_t>(from); at < used;) {
    const ByteView rest = bytes.subspan(at);
    const auto frame = wire::next_frame(rest);
    if (frame.status == wire::FrameStatus::whole) {
      at += frame.size;
      continue;
    }
    const auto next = next_whole(rest);
    // A frame may end in zeros.
    const std::size_t claimed = at + wire::kFrameOverhead + claimed_length(rest);
    const std::size_t last = claimed <= bytes.size() ? std::max(used, claimed) : used;
    const std::size_t end = next ? at + *next : last;
    const bool torn = !next && frame.status == wire::FrameStatus::torn;
    if (!out.empty() && out.back().offset + out.back().size == at) {
      out.back().size += end - at;
      out.back().torn = torn;
    } else {
      out.push_back({at, end - at, torn});
    }
    at = end;
  }
  return out;
}

}  // namespace tallyman::agent
