#include "agent/reexec/state.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "agent/reexec/state_fields.hpp"

namespace tallyman::agent {
namespace {

constexpr std::string_view kMagic = "TMRX";
constexpr const char* kWhere = "the state handed over";

Error damaged() { return {"is damaged", kWhere, "restart the agent"}; }

}  // namespace

std::vector<int> AgentState::descriptors() const {
  std::vector<int> out;
  for (const int number : {lock, segment, listener, asker}) {
    if (number >= 0) out.push_back(number);
  }
  for (const InstanceState& instance : instances) {
    if (!instance.host) continue;
    const std::vector<int> more = instance.host->descriptors();
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

Bytes encode_state(const AgentState& state) {
  Bytes out;
  ByteWriter writer(out);
  writer.raw(as_bytes(kMagic));
  writer.u32(kStateVersion);
  FieldWriter fields(writer);
  fields(state);
  const Hash hash = hash_of(out);
  writer.raw(hash);
  return out;
}

Result<AgentState> decode_state(ByteView bytes) {
  constexpr std::size_t kHead = 8;
  if (bytes.size() < kHead + sizeof(Hash)) return damaged();
  const ByteView body = bytes.first(bytes.size() - sizeof(Hash));
  ByteReader reader(body);
  if (as_text(reader.raw(kMagic.size())) != kMagic) return damaged();
  const std::uint32_t version = reader.u32();
  const Hash hash = hash_of(body);
  if (!std::equal(hash.begin(), hash.end(), bytes.begin() + static_cast<long>(body.size()))) {
    return damaged();
  }
  if (version != kStateVersion) {
    return Error{"is of version " + std::to_string(version) + ", this program takes version " +
                     std::to_string(kStateVersion),
                 kWhere, "restart the agent"};
  }
  AgentState state;
  FieldReader fields(reader);
  fields(state);
  if (!reader.ok() || !reader.at_end()) return damaged();
  std::vector<int> numbers = state.descriptors();
  std::sort(numbers.begin(), numbers.end());
  const bool twice = std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end();
  if (twice || (!numbers.empty() && numbers.front() <= STDERR_FILENO)) return damaged();
  return state;
}

Result<Fd> store_state(ByteView bytes) {
  Fd file(memfd_create("tallyman-state", MFD_CLOEXEC));
  if (!file.valid()) return errno_error("cannot make a memory file", kWhere, errno);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        pwrite(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return errno_error("cannot write a memory file", kWhere, errno);
    done += static_cast<std::size_t>(n);
  }
  return file;
}

Result<AgentState> load_state(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return errno_error("cannot be read", kWhere, errno);
  const auto size = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  if (!S_ISREG(status.st_mode) || size > kMaxStateFile) return damaged();
  Bytes bytes(size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = pread(descriptor, bytes.data() + done, size - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot be read", kWhere, errno);
    if (n == 0) return damaged();
    done += static_cast<std::size_t>(n);
  }
  return decode_state(bytes);
}

}  // namespace tallyman::agent
