#include "base/fake_files.hpp"

#include <algorithm>
#include <cerrno>
#include <random>
#include <set>

namespace tallyman {
namespace {

constexpr std::size_t kBlock = 512;  ///< what a disk writes whole or not at all

struct Inode {
  Bytes live;
  Bytes durable;
};
using Names = std::map<std::string, std::shared_ptr<Inode>>;

}  // namespace

struct FakeFiles::State {
  Names live, durable;
  std::set<std::string> directories, locked;
  std::uint64_t calls = 0, fail_from = 0, fail_count = 0;
  int fail_number = 0;
  bool syncs_fail = false;
  std::optional<DiskSpace> space;

  /// Counts one changing call and says whether it fails.
  bool fails() {
    const std::uint64_t call = calls++;
    return fail_number != 0 && call >= fail_from && call - fail_from < fail_count;
  }
  Error error(const std::string& path, int number) const {
    return errno_error("cannot do this", path, number, "heal the fake");
  }
  Error error(const std::string& path) const { return error(path, fail_number); }
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
    if (!bytes.empty() && needed > inode_->live.size()) inode_->live.resize(needed);
    std::copy(bytes.begin(), bytes.end(),
              inode_->live.begin() + static_cast<std::ptrdiff_t>(bytes.empty() ? 0 : offset));
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
    inode_->live.resize(static_cast<std::size_t>(size));
    return {};
  }
  Status allocate(std::uint64_t) override { return {}; }
  Status sync() override {
    if (state_->fails()) return state_->error(path_);
    if (state_->syncs_fail) {
      poisoned_ = true;
      return state_->error(path_, EIO);
    }
    if (!poisoned_) inode_->durable = inode_->live;
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

/// Each block from either version; the length from either, too.
Bytes torn(const Inode& inode, std::mt19937_64& random) {
  Bytes out = random() % 2 == 0 ? inode.live : inode.durable;
  for (std::size_t at = 0; at < out.size(); at += kBlock) {
    const Bytes& from = random() % 2 == 0 ? inode.live : inode.durable;
    for (std::size_t i = at; i < std::min(at + kBlock, out.size()); ++i)
      out[i] = i < from.size() ? from[i] : 0;
  }
  return out;
}

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

std::unique_ptr<FakeFiles> FakeFiles::after(Crash crash, std::uint64_t seed) const {
  std::mt19937_64 random(seed);
  auto result = std::make_unique<FakeFiles>();
  State& to = *result->state_;
  to.directories = state_->directories;
  Names names = crash == Crash::process ? state_->live : state_->durable;
  if (crash == Crash::torn) {
    for (const auto& [path, inode] : state_->live) {
      if (random() % 2 == 0) names[path] = inode;
    }
    for (const auto& entry : state_->durable) {
      const auto& [path, inode] = entry;
      // A rename is atomic: the old name goes only when a new one is there.
      const auto here = [&entry](const auto& name) {
        return name.first != entry.first && name.second == entry.second;
      };
      const bool renamed = std::any_of(state_->live.begin(), state_->live.end(), here);
      if (renamed && std::none_of(names.begin(), names.end(), here)) continue;
      if (!state_->live.contains(path) && random() % 2 == 0) names.erase(path);
    }
  }
  for (const auto& [path, inode] : names) {
    auto copy = std::make_shared<Inode>();
    copy->live = crash == Crash::process ? inode->live
                 : crash == Crash::lost  ? inode->durable
                                         : torn(*inode, random);
    copy->durable = copy->live;
    to.live[path] = copy;
  }
  to.durable = to.live;
  return result;
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
    if (!there) found = state_->live.emplace(path, std::make_shared<Inode>()).first;
    found->second->live.clear();
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
  std::erase_if(state_->durable, [&](const auto& name) {
    return directory_of(name.first) == directory && !state_->live.contains(name.first);
  });
  for (const auto& [path, inode] : state_->live) {
    if (directory_of(path) == directory) state_->durable[path] = inode;
  }
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
