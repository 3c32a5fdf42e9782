#include "base/fake_files.hpp"

#include <algorithm>
#include <cerrno>
#include <random>
#include <set>

namespace tallyman {
namespace {

/// A file, and what became of it since it was synced.
struct Inode {
  std::size_t unit = 512;  ///< what the disk writes whole or not at all
  Bytes live;
  Bytes durable;
  std::map<std::size_t, std::vector<Bytes>> versions;  ///< of sectors, by number, oldest first
  std::vector<std::size_t> lengths;

  Bytes sector(const Bytes& bytes, std::size_t number) const {
    const std::size_t begin = std::min(bytes.size(), number * unit);
    const std::size_t end = std::min(bytes.size(), begin + unit);
    Bytes out(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
              bytes.begin() + static_cast<std::ptrdiff_t>(end));
    out.resize(unit);
    return out;
  }
  /// To be called after each change of `live` in [begin, end).
  void changed(std::size_t begin, std::size_t end) {
    for (std::size_t number = begin / unit; number * unit < end; ++number) {
      std::vector<Bytes>& list = versions[number];
      Bytes now = sector(live, number);
      if (now != (list.empty() ? sector(durable, number) : list.back()))
        list.push_back(std::move(now));
      if (list.empty()) versions.erase(number);
    }
    if (live.size() != (lengths.empty() ? durable.size() : lengths.back()))
      lengths.push_back(live.size());
  }
  void resize(std::size_t size) {
    const std::size_t before = live.size();
    live.resize(size);
    changed(std::min(before, size), std::max(before, size));
  }
  void synced() {
    durable = live;
    versions.clear();
    lengths.clear();
  }
};
using Names = std::map<std::string, std::shared_ptr<Inode>>;

/// A change of names that no sync of its directory covers.
struct NameChange {
  std::string gone;  ///< unless empty
  std::string made;  ///< unless empty
  std::shared_ptr<Inode> inode;
};

}  // namespace

struct FakeFiles::State {
  Names live, durable;
  std::vector<NameChange> changes;  ///< from durable to live, in order
  std::set<std::string> directories, locked;
  std::uint64_t calls = 0, fail_from = 0, fail_count = 0;
  int fail_number = 0;
  std::optional<std::uint64_t> stop;
  std::size_t unit = Inode{}.unit;
  bool syncs_fail = false;
  std::optional<DiskSpace> space;

  /// Counts one changing call and says whether it fails.
  bool fails() {
    const std::uint64_t call = calls++;
    if (stop && call >= *stop) return true;
    return fail_number != 0 && call >= fail_from && call - fail_from < fail_count;
  }
  Error error(const std::string& path, int number) const {
    const bool full = number == ENOSPC || number == EDQUOT;
    return errno_error("cannot do this", path, number,
                       full ? std::string(kNoSpaceRemedy) : "heal the fake");
  }
  Error error(const std::string& path) const {
    return error(path, stop && calls > *stop ? EIO : fail_number);
  }
  /// Files that some answer may leave under a name; in a fixed order.
  std::vector<std::shared_ptr<Inode>> reachable() const {
    std::vector<std::shared_ptr<Inode>> out;
    const auto add = [&out](const std::shared_ptr<Inode>& inode) {
      if (inode && std::find(out.begin(), out.end(), inode) == out.end()) out.push_back(inode);
    };
    for (const auto& [path, inode] : durable) add(inode);
    for (const auto& change : changes) add(change.inode);
    return out;
  }
};

namespace {

class FakeFile final : public File {
 public:
  FakeFile(std::shared_ptr<FakeFiles::State> state, std::shared_ptr<Inode> inode, std::string path)
      : state_(std::move(state)), inode_(std::move(inode)), path_(std::move(path)) {}

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    const bool fails = state_->fails();
    if (fails) bytes = bytes.first(bytes.size() / 2);
    const std::uint64_t end = offset + bytes.size();
    const std::uint64_t grown =
        end > inode_->live.size() ? end - std::uint64_t{inode_->live.size()} : 0;
    bool full = false;
    if (state_->space) {
      full = grown > state_->space->free;
      const std::uint64_t cut = full ? grown - state_->space->free : 0;
      bytes = bytes.first(bytes.size() - std::min<std::size_t>(bytes.size(), cut));
      state_->space->free -= std::min(grown, state_->space->free);
    }
    const std::size_t needed = static_cast<std::size_t>(offset) + bytes.size();
    const std::size_t before = inode_->live.size();
    if (!bytes.empty() && needed > before) inode_->live.resize(needed);
    std::copy(bytes.begin(), bytes.end(),
              inode_->live.begin() + static_cast<std::ptrdiff_t>(bytes.empty() ? 0 : offset));
    if (!bytes.empty()) inode_->changed(std::min(before, static_cast<std::size_t>(offset)), needed);
    if (fails) return state_->error(path_);
    if (full) return state_->error(path_, ENOSPC);
    return {};
  }
  Result<Bytes> read_at(std::uint64_t offset, std::size_t count) override {
    const Bytes& live = inode_->live;
    if (offset >= live.size()) return Bytes{};
    const auto from = live.begin() + static_cast<std::ptrdiff_t>(offset);
    const std::size_t there = live.size() - static_cast<std::size_t>(offset);
    return Bytes(from, from + static_cast<std::ptrdiff_t>(std::min(count, there)));
  }
  Result<std::uint64_t> size() override { return std::uint64_t{inode_->live.size()}; }
  Status truncate(std::uint64_t size) override {
    if (state_->fails()) return state_->error(path_);
    if (state_->space && size < inode_->live.size())
      state_->space->free += inode_->live.size() - size;
    inode_->resize(static_cast<std::size_t>(size));
    return {};
  }
  Status allocate(std::uint64_t) override { return {}; }
  Status sync() override {
    if (state_->fails()) return state_->error(path_);
    if (state_->syncs_fail) {
      poisoned_ = true;
      return state_->error(path_, EIO);
    }
    if (!poisoned_) inode_->synced();
    return {};
  }

 private:
  std::shared_ptr<FakeFiles::State> state_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  bool poisoned_ = false;
};

class FakeLock final : public FileLock {
 public:
  FakeLock(std::shared_ptr<FakeFiles::State> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)) {}
  FakeLock(const FakeLock&) = delete;
  FakeLock& operator=(const FakeLock&) = delete;
  ~FakeLock() override { state_->locked.erase(path_); }

 private:
  std::shared_ptr<FakeFiles::State> state_;
  std::string path_;
};

}  // namespace

FakeFiles::FakeFiles() : state_(std::make_shared<State>()) {}

std::uint64_t FakeFiles::calls() const { return state_->calls; }
void FakeFiles::fail(std::uint64_t call, int number, std::uint64_t count) {
  state_->fail_from = call, state_->fail_number = number, state_->fail_count = count;
}
void FakeFiles::heal() { state_->fail_number = 0, state_->syncs_fail = false; }
void FakeFiles::fail_syncs(bool failing) { state_->syncs_fail = failing; }
void FakeFiles::set_space(std::uint64_t total, std::uint64_t free) {
  state_->space = DiskSpace{total, free};
}

void FakeFiles::stop_at(std::uint64_t call) { state_->stop = call; }
void FakeFiles::set_sector(std::size_t bytes) { state_->unit = bytes; }

std::vector<std::size_t> FakeFiles::open_questions() const {
  std::vector<std::size_t> out(state_->changes.size(), 2);
  for (const auto& inode : state_->reachable()) {
    out.push_back(inode->lengths.size() + 1);
    for (const auto& [number, list] : inode->versions) out.push_back(list.size() + 1);
  }
  return out;
}

std::unique_ptr<FakeFiles> FakeFiles::after(std::span<const std::size_t> answers) const {
  auto result = std::make_unique<FakeFiles>();
  State& to = *result->state_;
  to.directories = state_->directories;
  to.unit = state_->unit;
  Names names = state_->durable;
  std::size_t next = 0;
  for (const auto& change : state_->changes) {
    if (answers[next++] == 0) continue;
    if (!change.gone.empty()) names.erase(change.gone);
    if (!change.made.empty()) names[change.made] = change.inode;
  }
  std::map<std::shared_ptr<Inode>, std::shared_ptr<Inode>> copies;
  for (const auto& inode : state_->reachable()) {
    const std::size_t length = answers[next++];
    Bytes bytes = inode->durable;
    bytes.resize(length == 0 ? inode->durable.size() : inode->lengths[length - 1]);
    for (const auto& [number, list] : inode->versions) {
      const std::size_t version = answers[next++];
      const std::size_t begin = std::min(bytes.size(), number * inode->unit);
      const Bytes now = version == 0 ? inode->sector(inode->durable, number) : list[version - 1];
      std::copy_n(now.begin(), std::min(inode->unit, bytes.size() - begin),
                  bytes.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    auto copy = std::make_shared<Inode>();
    copy->unit = inode->unit;
    copy->live = copy->durable = std::move(bytes);
    copies[inode] = copy;
  }
  for (const auto& [path, inode] : names) to.live[path] = copies.at(inode);
  to.durable = to.live;
  return result;
}

std::unique_ptr<FakeFiles> FakeFiles::after(Crash crash, std::uint64_t seed) const {
  std::mt19937_64 random(seed);
  std::vector<std::size_t> answers = open_questions();
  for (std::size_t& answer : answers) {
    answer = crash == Crash::process ? answer - 1 : crash == Crash::lost ? 0 : random() % answer;
  }
  return after(answers);
}

std::vector<std::string> FakeFiles::paths() const {
  std::vector<std::string> out;
  for (const auto& [path, inode] : state_->live) out.push_back(path);
  return out;
}

Bytes* FakeFiles::bytes_of(const std::string& path) {
  const auto found = state_->live.find(path);
  return found == state_->live.end() ? nullptr : &found->second->live;
}

Result<std::shared_ptr<File>> FakeFiles::open(const std::string& path, OpenMode mode) {
  auto found = state_->live.find(path);
  const bool there = found != state_->live.end();
  if (mode == OpenMode::read || mode == OpenMode::write) {
    if (!there) return state_->error(path, ENOENT);
  } else {
    if (state_->fails()) return state_->error(path);
    if (there && mode == OpenMode::create_new) return state_->error(path, EEXIST);
    if (!state_->directories.contains(directory_of(path))) return state_->error(path, ENOENT);
    if (!there) {
      found = state_->live.emplace(path, std::make_shared<Inode>()).first;
      found->second->unit = state_->unit;
      state_->changes.push_back({"", path, found->second});
    }
    found->second->resize(0);
  }
  return std::shared_ptr<File>(std::make_shared<FakeFile>(state_, found->second, path));
}

bool FakeFiles::exists(const std::string& path) {
  return state_->live.contains(path) || state_->directories.contains(path);
}

Status FakeFiles::rename(const std::string& from, const std::string& to) {
  if (state_->fails()) return state_->error(from);
  const auto found = state_->live.find(from);
  if (found == state_->live.end()) return state_->error(from, ENOENT);
  if (from == to) return {};
  state_->changes.push_back({from, to, found->second});
  state_->live[to] = found->second;
  state_->live.erase(from);
  return {};
}

Status FakeFiles::remove(const std::string& path) {
  if (state_->fails()) return state_->error(path);
  if (state_->directories.contains(path)) {
    const auto names = list(path);
    if (!names || !names->empty()) return state_->error(path, ENOTEMPTY);
    state_->directories.erase(path);
    return {};
  }
  const auto found = state_->live.find(path);
  if (found == state_->live.end()) return state_->error(path, ENOENT);
  if (state_->space) state_->space->free += found->second->live.size();
  state_->changes.push_back({path, "", nullptr});
  state_->live.erase(found);
  return {};
}

Result<std::vector<std::string>> FakeFiles::list(const std::string& directory) {
  if (!state_->directories.contains(directory)) return state_->error(directory, ENOENT);
  std::vector<std::string> names;
  for (const auto& [path, inode] : state_->live) {
    if (directory_of(path) == directory) names.push_back(path.substr(directory.size() + 1));
  }
  for (const auto& path : state_->directories) {
    if (path != directory && directory_of(path) == directory)
      names.push_back(path.substr(directory.size() + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status FakeFiles::make_directories(const std::string& directory) {
  if (state_->directories.contains(directory)) return {};
  if (state_->fails()) return state_->error(directory);
  for (std::string at = directory; at != "/" && at != "."; at = directory_of(at))
    state_->directories.insert(at);
  return {};
}

Status FakeFiles::sync_directory(const std::string& directory) {
  if (state_->fails()) return state_->error(directory);
  if (state_->syncs_fail) return state_->error(directory, EIO);
  const auto here = [&](const std::string& path) {
    return !path.empty() && directory_of(path) == directory;
  };
  std::vector<NameChange> rest;
  for (auto& change : state_->changes) {
    if (!here(change.gone) && !here(change.made)) {
      rest.push_back(std::move(change));
      continue;
    }
    if (!change.made.empty()) state_->durable[change.made] = change.inode;
    if (here(change.gone)) {
      state_->durable.erase(change.gone);
    } else if (!change.gone.empty()) {
      rest.push_back({change.gone, "", nullptr});  // out of a directory that is not synced yet
    }
  }
  state_->changes = std::move(rest);
  return {};
}

Result<DiskSpace> FakeFiles::space(const std::string&) {
  return state_->space.value_or(DiskSpace{1ULL << 40U, 1ULL << 40U});
}

Result<std::unique_ptr<FileLock>> FakeFiles::lock(const std::string& path) {
  if (!state_->locked.insert(path).second)
    return Error{"another process holds the lock", path, "stop the other one"};
  return std::unique_ptr<FileLock>(std::make_unique<FakeLock>(state_, path));
}

}  // namespace tallyman
