#pragma once
// What a real Ganesha 4.3 answered, as dbus-send prints it, and a caller that answers so.

#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "nfs/caller.hpp"

namespace nfs::test {

/// Reads what stands between the brackets of a struct or array, or all of it.
inline Values read_values(std::istream& in) {
  Values out;
  for (std::string word; in >> word && word != "}" && word != "]";) {
    if (word == "struct" || word == "array") {
      in >> word;
      out.emplace_back(read_values(in));
    } else if (word == "boolean") {
      in >> word;
      out.emplace_back(word == "true");
    } else if (word == "string") {
      std::string text;
      std::getline(in, text);
      out.emplace_back(text.substr(2, text.size() - 3));
    } else if (word == "double") {
      double number = 0;
      in >> number;
      out.emplace_back(number);
    } else if (word.starts_with("uint")) {
      std::uint64_t number = 0;
      in >> number;
      out.emplace_back(number);
    } else {
      throw std::runtime_error("not of dbus-send: " + word);
    }
  }
  return out;
}

/// The arguments of an answer kept as samples/NAME.txt.
inline Values sample(const std::string& name) {
  std::ifstream in(std::string(TALLYMAN_SOURCE_DIR) + "/tests/unit/plugins/nfs/samples/" + name +
                   ".txt");
  std::string head;
  if (!std::getline(in, head)) throw std::runtime_error("no sample " + name);
  return read_values(in);
}

/// Answers by what is asked: "METHOD ARGUMENT"; of anything else it knows nothing.
class Answering : public Caller {
 public:
  using Answer = std::variant<Values, Failure>;

  std::variant<Values, Failure> call(const Call& call) override {
    std::string question = call.method;
    if (const auto* id = std::get_if<std::uint16_t>(&call.argument)) {
      question += " " + std::to_string(*id);
    } else if (const auto* text = std::get_if<std::string>(&call.argument)) {
      question += " " + *text;
    }
    asked.push_back(question);
    if (before) before(question);
    const auto it = answers.find(question);
    if (it != answers.end()) return it->second;
    return Failure{Failure::unknown, question + ": unknown method"};
  }

  std::map<std::string, Answer> answers;
  std::vector<std::string> asked;
  std::function<void(const std::string&)> before;
};

/// A whole Ganesha, as it was captured.
inline void answer_as_captured(Answering& ganesha) {
  const std::string client = "::ffff:10.203.0.2";
  for (const char* method : {"ShowExports", "ShowClients", "StatusStats"}) {
    ganesha.answers[method] = sample(method);
  }
  for (const char* method : {"GetNFSv3IO", "GetNFSv40IO", "GetNFSv41IO"}) {
    for (const char* id : {"77", "78"}) {
      ganesha.answers[std::string(method) + " " + id] =
          sample("export" + std::string(id) + "-" + method);
    }
    ganesha.answers[method + (" " + client)] = sample(std::string("client-") + method);
  }
  ganesha.answers["GetNFSv40IO 0"] = ganesha.answers["GetNFSv40IO 77"];
  const auto paths = [&](std::uint64_t id, const char* full, const char* pseudo) {
    ganesha.answers["DisplayExport " + std::to_string(id)] = Values{id, full, pseudo, ""};
  };
  paths(77, "/srv/a", "/exp-a");
  paths(78, "/srv/b", "/exp-b");
  paths(0, "/", "/");
}

}  // namespace nfs::test
