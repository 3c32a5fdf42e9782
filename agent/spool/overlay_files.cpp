#include "agent/spool/overlay_files.hpp"

#include <algorithm>
#include <cerrno>

namespace tallyman::agent {
namespace {

constexpr std::size_t kMaxFile = 1U << 30U;

class OverlayFile final : public File {
 public:
  OverlayFile(Files& below, std::shared_ptr<OverlayFiles::Sheet> sheet, std::string path)
      : below_(below), sheet_(std::move(sheet)), path_(std::move(path)) {}

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    Status done = copy();
    if (!done) return done;
    const std::size_t end = static_cast<std::size_t>(offset) + bytes.size();
    if (end > kMaxFile) return Error{"a file too large for a dry run", path_, ""};
    Bytes& to = sheet_->bytes;
    to.resize(std::max(to.size(), end));
    std::copy(bytes.begin(), bytes.end(), to.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<Bytes> read_at(std::uint64_t offset, std::size_t count) override {
    if (!sheet_->copied) {
      auto file = below_.open(sheet_->below, OpenMode::read);
      return file ? (*file)->read_at(offset, count) : Result<Bytes>(file.error());
    }
    const Bytes& bytes = sheet_->bytes;
    const std::size_t from = std::min(bytes.size(), static_cast<std::size_t>(offset));
    const std::size_t size = std::min(bytes.size() - from, count);
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(from);
    return Bytes(begin, begin + static_cast<std::ptrdiff_t>(size));
  }
  Result<std::uint64_t> size() override {
    if (sheet_->copied) return std::uint64_t{sheet_->bytes.size()};
    auto file = below_.open(sheet_->below, OpenMode::read);
    return file ? (*file)->size() : Result<std::uint64_t>(file.error());
  }
  Status truncate(std::uint64_t size) override {
    const auto now = this->size();
    if (!now) return now.error();
    if (*now == size) return {};
    Status done = copy();
    if (done.ok()) sheet_->bytes.resize(static_cast<std::size_t>(size));
    return done;
  }
  Status allocate(std::uint64_t) override { return {}; }
  Status sync() override { return {}; }

 private:
  Status copy() {
    if (sheet_->copied) return {};
    auto bytes = read_file(below_, sheet_->below, kMaxFile);
    if (!bytes) return bytes.error();
    sheet_->bytes = std::move(*bytes);
    sheet_->copied = true;
    return {};
  }

  Files& below_;
  std::shared_ptr<OverlayFiles::Sheet> sheet_;
  std::string path_;
};

class NoLock final : public FileLock {};

}  // namespace

std::shared_ptr<OverlayFiles::Sheet> OverlayFiles::sheet_of(const std::string& path) {
  if (const auto found = sheets_.find(path); found != sheets_.end()) return found->second;
  if (removed_.contains(path) || !below_.exists(path)) return nullptr;
  return sheets_.emplace(path, std::make_shared<Sheet>(Sheet{path, false, {}})).first->second;
}

Result<std::shared_ptr<File>> OverlayFiles::open(const std::string& path, OpenMode mode) {
  auto sheet = sheet_of(path);
  const bool create = mode == OpenMode::create_new || mode == OpenMode::truncate;
  if (!create && !sheet) return errno_error("cannot open", path, ENOENT);
  if (mode == OpenMode::create_new && sheet) return errno_error("cannot open", path, EEXIST);
  if (!create && !sheet->copied) {
    const auto there = below_.open(path == sheet->below ? path : sheet->below, OpenMode::read);
    if (!there) return there.error();
  }
  if (create) {
    if (!sheet) sheet = sheets_.emplace(path, std::make_shared<Sheet>()).first->second;
    sheet->copied = true;
    sheet->bytes.clear();
  }
  return std::shared_ptr<File>(std::make_shared<OverlayFile>(below_, sheet, path));
}

bool OverlayFiles::exists(const std::string& path) {
  return sheets_.contains(path) || made_.contains(path) ||
         (!removed_.contains(path) && below_.exists(path));
}

Status OverlayFiles::rename(const std::string& from, const std::string& to) {
  const auto sheet = sheet_of(from);
  if (!sheet) return errno_error("cannot rename", from, ENOENT);
  if (from == to) return {};
  sheets_[to] = sheet;
  sheets_.erase(from);
  removed_.insert(from);
  removed_.erase(to);
  return {};
}

Status OverlayFiles::remove(const std::string& path) {
  if (!exists(path)) return errno_error("cannot remove", path, ENOENT);
  sheets_.erase(path);
  made_.erase(path);
  removed_.insert(path);
  return {};
}

Result<std::vector<std::string>> OverlayFiles::list(const std::string& directory) {
  std::set<std::string> names;
  const auto below = below_.list(directory);
  if (!below && !made_.contains(directory)) return below.error();
  const auto take = [&](const std::string& path) {
    if (directory_of(path) == directory) names.insert(path.substr(directory.size() + 1));
  };
  if (below) {
    for (const auto& name : *below) {
      if (!removed_.contains(directory + "/" + name)) names.insert(name);
    }
  }
  for (const auto& [path, sheet] : sheets_) take(path);
  for (const auto& path : made_) take(path);
  return std::vector<std::string>(names.begin(), names.end());
}

Status OverlayFiles::make_directories(const std::string& directory) {
  if (!exists(directory)) made_.insert(directory);
  return {};
}

Status OverlayFiles::sync_directory(const std::string& /*directory*/) { return {}; }

Result<DiskSpace> OverlayFiles::space(const std::string& directory) {
  std::string at = directory;
  while (made_.contains(at)) at = directory_of(at);
  return below_.space(at);
}

Result<std::unique_ptr<FileLock>> OverlayFiles::lock(const std::string& path) {
  if (below_.exists(path)) return below_.lock(path);
  return std::unique_ptr<FileLock>(std::make_unique<NoLock>());
}

}  // namespace tallyman::agent
