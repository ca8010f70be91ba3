"""The shared media vocabulary: titles, people, offers, and the store that keeps them."""
