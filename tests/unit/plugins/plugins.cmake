# The pure parts of the plugins, compiled once more: a plugin exports nothing to test.
add_executable(unit_plugins
  unit/plugins/link_dump_test.cpp unit/plugins/tracker_test.cpp
  unit/plugins/tracker_state_test.cpp unit/plugins/tracker_history_test.cpp
  ${CMAKE_SOURCE_DIR}/plugins/netif/link_dump.cpp
  ${CMAKE_SOURCE_DIR}/plugins/netif/tracker.cpp
  ${CMAKE_SOURCE_DIR}/plugins/netif/tracker_state.cpp)
tallyman_include_root(unit_plugins netif plugins/netif PRIVATE)
target_link_libraries(unit_plugins PRIVATE GTest::gtest GTest::gmock GTest::gtest_main)
gtest_discover_tests(unit_plugins DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit)
