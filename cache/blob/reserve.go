package blob

// begin hands out a data id and sets size bytes of free space aside.
func (s *Store) begin(size int64) (id uint64, err error) {
	if err := s.checkFree(s.floor, s.reserve(size)); err != nil {
		s.unreserve(size)
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	s.writing[s.lastID] = struct{}{}
	return s.lastID, nil
}

// reserve returns what all writers have yet to store, n included.
func (s *Store) reserve(n int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved += n
	return s.reserved
}

func (s *Store) unreserve(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved -= n
}

// finish is called once nothing will be written under id any more.
func (s *Store) finish(id uint64, unstored int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.writing, id)
	s.reserved -= unstored
}
