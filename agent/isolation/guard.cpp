#include "agent/isolation/guard.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.hpp"

namespace tallyman::agent {
namespace {

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode));
  return text;
}

Result<std::string> take_rights(const std::string& folder, mode_t rights) {
  const Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!fd.valid() || fstat(fd.get(), &status) != 0) {
    return errno_error("cannot look at the folder", folder, errno);
  }
  const mode_t mode = status.st_mode & 07777U;
  if ((mode & rights) == 0) return std::string();
  const mode_t least = mode & ~rights;
  if (fchmod(fd.get(), least) != 0) {
    return errno_error("its mode " + octal(mode) + " lets others in", folder, errno,
                       "chmod " + octal(least) + " " + folder);
  }
  return folder + " was open to others (mode " + octal(mode) + "): now " + octal(least);
}

}  // namespace

Result<std::string> keep_private(const std::string& folder) {
  return take_rights(folder, S_IRWXG | S_IRWXO);
}

Result<std::string> keep_own(const std::string& folder) {
  return take_rights(folder, S_IWGRP | S_IWOTH);
}

}  // namespace tallyman::agent
