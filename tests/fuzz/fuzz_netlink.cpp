// sources: plugins/netif/link_dump.cpp
// Whatever bytes a datagram holds, as a dump's answer and as an event: interfaces or a fault, and
// every text is clean.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "netif/link_dump.hpp"

namespace {

void require_clean(const std::string& text) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  if (netif::clean_text({bytes, text.size()}) != text) std::abort();
}

void parse(std::span<const std::uint8_t> bytes, std::optional<std::uint32_t> sequence) {
  const auto parsed = netif::parse_datagram(bytes, sequence);
  const auto* datagram = std::get_if<netif::Datagram>(&parsed);
  if (datagram == nullptr) return;
  if (datagram->links.size() * 32 > bytes.size()) std::abort();
  for (const auto& event : datagram->links) {
    if (event.link.ifindex == 0) std::abort();
    for (const auto* text : {&event.link.name, &event.link.alias, &event.link.kind}) {
      require_clean(*text);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parse({data, size}, std::nullopt);
  parse({data, size}, 1);
  return 0;
}
