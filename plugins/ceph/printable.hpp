#pragma once
// Names as labels: a label holds no control character, and a customer may have put one into a name.
// Pure; any thread.

#include <string>
#include <string_view>

namespace ceph {

/// The name with each control character as %XX. Two names never give one label: a % that is
/// followed by two digits which stand for a control character or a % is %25.
[[nodiscard]] std::string printable(std::string_view name);

}  // namespace ceph
