# The pure parts of the plugins, compiled once more: a plugin exports nothing to test.
add_executable(unit_plugins
  unit/plugins/link_dump_test.cpp unit/plugins/tracker_test.cpp
  unit/plugins/tracker_state_test.cpp unit/plugins/tracker_history_test.cpp
  unit/plugins/ceph/rgw_answers_test.cpp unit/plugins/ceph/usage_book_test.cpp
  unit/plugins/ceph/mgr_metrics_test.cpp unit/plugins/ceph/mgr_book_test.cpp
  unit/plugins/ceph/mgr_history_test.cpp unit/plugins/ceph/http_test.cpp
  unit/plugins/ceph/mgr_part_test.cpp unit/plugins/ceph/printable_test.cpp
  unit/plugins/ceph/secret_test.cpp unit/plugins/ceph/rgw_part_test.cpp unit/plugins/ceph/rgw_usage_test.cpp
  ${CMAKE_SOURCE_DIR}/plugins/netif/link_dump.cpp
  ${CMAKE_SOURCE_DIR}/plugins/netif/tracker.cpp
  ${CMAKE_SOURCE_DIR}/plugins/netif/tracker_state.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/http.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/json_walk.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/rgw_answers.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/rgw_part.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/secret.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/usage_book.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/mgr_metrics.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/mgr_book.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/mgr_part.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/mgr_state.cpp
  ${CMAKE_SOURCE_DIR}/plugins/ceph/printable.cpp)
tallyman_include_root(unit_plugins netif plugins/netif PRIVATE)
tallyman_include_root(unit_plugins ceph plugins/ceph PRIVATE)
target_compile_definitions(unit_plugins PRIVATE TALLYMAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_link_libraries(unit_plugins PRIVATE sdk_plugin CURL::libcurl nlohmann_json::nlohmann_json
                      GTest::gtest GTest::gmock GTest::gtest_main)
gtest_discover_tests(unit_plugins DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit)

target_sources(unit_plugins PRIVATE
  unit/plugins/nfs/book_test.cpp unit/plugins/nfs/book_history_test.cpp
  unit/plugins/nfs/ganesha_answers_test.cpp unit/plugins/nfs/ganesha_part_test.cpp
  unit/plugins/nfs/nfsd_files_test.cpp unit/plugins/nfs/stored_test.cpp
  unit/plugins/nfs/telling_test.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/book.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/book_state.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/ganesha_answers.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/ganesha_part.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/helpers.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/nfsd_files.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/nfsd_part.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/stored.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/stored_part.cpp
  ${CMAKE_SOURCE_DIR}/plugins/nfs/stored_report.cpp)
tallyman_include_root(unit_plugins nfs plugins/nfs PRIVATE)
target_compile_definitions(unit_plugins PRIVATE TALLYMAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_link_libraries(unit_plugins PRIVATE sdk_plugin)
