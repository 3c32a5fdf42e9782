find_package(benchmark REQUIRED)
add_executable(codec_bench EXCLUDE_FROM_ALL bench/codec_bench.cpp)
target_link_libraries(codec_bench PRIVATE sdk_wire benchmark::benchmark)
