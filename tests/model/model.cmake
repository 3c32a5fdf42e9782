# The product's side of the comparison with the model: histories in, records out (rate_history.cpp).
add_executable(rate_history model/rate_history.cpp model/batch_maker.cpp)
target_link_libraries(rate_history PRIVATE rater_core nlohmann_json::nlohmann_json)
set_target_properties(rate_history PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
