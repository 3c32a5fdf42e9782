#pragma once
// Answers of a real Ceph 16.2, as they came.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace ceph {

inline std::string sample(const std::string& name) {
  std::ifstream file(TALLYMAN_SOURCE_DIR "/tests/unit/plugins/ceph/samples/" + name,
                     std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void replace_all(std::string& text, const std::string& what, const std::string& by) {
  std::size_t at = 0;
  while ((at = text.find(what, at)) != std::string::npos) {
    text.replace(at, what.size(), by);
    at += by.size();
  }
}

}  // namespace ceph
