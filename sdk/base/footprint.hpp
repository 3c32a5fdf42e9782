#pragma once
// What a long-lived process need not hold on to once it is under way.

namespace tallyman {

/// Gives free memory of the heap back to the kernel, and unmaps every page of code and constants,
/// of the program and of its libraries: what ran only at the start (linking, configuration) is most
/// of what is mapped by then, and stays so until memory gets short. What is still in use comes back
/// from the page cache at its next use, some microseconds once. Nothing that was ever written to is
/// touched. Any thread; for Linux with glibc, elsewhere it does nothing.
void give_back_what_the_start_took();

}  // namespace tallyman
