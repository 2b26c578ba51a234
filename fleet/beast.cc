// The functions of Boost.Beast that are no templates (BOOST_BEAST_SEPARATE_COMPILATION).
#include <boost/beast/src.hpp>
